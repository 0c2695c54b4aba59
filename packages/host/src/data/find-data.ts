import { access, constants, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { withCacheFolder } from '@virtainers/builder';
import { dataPaths, statePaths, VirtainersError } from '@virtainers/core';
import type { HostContext } from '../context.ts';
import { type FoundContainer, findContainer } from '../engine/container.ts';
import type { EngineName } from '../engine/engine.ts';
import { type OpenDataFolder, withLockedFolder } from './data-folder.ts';

/** A disk that nobody writes, and the stopped container whose it is, if it was asked for by that. */
export interface FoundData extends OpenDataFolder {
  readonly container: FoundContainer | undefined;
}

/**
 * Opens the data folder that a person means: one with a slash in its name, or one that is here; else that of a stopped
 * container, where it lies on this machine, or a copy of what is in it. CONTAINER_UNKNOWN, DATA_IN_USE and what
 * withLockedFolder throws.
 */
export async function withData<T>(
  context: HostContext & { readonly cacheDir: string },
  word: string,
  engine: EngineName | undefined,
  use: (data: FoundData) => Promise<T>,
): Promise<T> {
  if (await isFolder(word)) return useFolder(context, word, undefined, use);
  const container = await findContainer(context, word, engine);
  const { facts, client } = container;
  if (facts.running) {
    throw new VirtainersError('DATA_IN_USE', `opening the disk of ${facts.name}: its virtual machine is running`, {
      hint: `stop it first: ${client.dialect.program} stop ${facts.name}`,
    });
  }
  const inside = facts.environment['IMAGE_DIR'] ?? '/mounted';
  const source = client.info.kernel === context.kernel ? facts.mounts[inside] : undefined;
  if (source && (await mayUse(source))) return useFolder(context, source, container, use);
  return withCacheFolder(context, 'tmp', 'data', async (folder) => {
    const paths = dataPaths(inside);
    const copy = (path: string) => client.copyOut(facts.name, path, join(folder, basename(path)));
    for (const path of [paths.overlay, paths.sidecar]) await copy(path);
    for (const path of statePaths(paths)) await copy(path).catch(unlessAbsent);
    return useFolder(context, folder, container, use);
  });
}

async function useFolder<T>(
  context: HostContext,
  folder: string,
  container: FoundContainer | undefined,
  use: (data: FoundData) => Promise<T>,
): Promise<T> {
  return withLockedFolder(context, folder, nothing, (data) => use({ ...data, container }));
}

async function nothing(): Promise<void> {}

/** Not every guest has UEFI or a TPM. Docker and Podman have words of their own for a file that is not there. */
function unlessAbsent(error: Error): void {
  if (!/could not (be )?f(i|ou)nd|no such (file|container:path)/i.test(error.message)) throw error;
}

async function isFolder(word: string): Promise<boolean> {
  if (word.includes('/') || word === '.') return true;
  return (await stat(dataPaths(word).sidecar).catch(() => undefined)) !== undefined;
}

/** A rootless engine's volume is a folder of this machine whose files may belong to another id. */
async function mayUse(folder: string): Promise<boolean> {
  const { overlay, sidecar, lock } = dataPaths(folder);
  const wanted = [overlay, sidecar, lock].map((path) => access(path, constants.R_OK));
  return Promise.all(wanted).then(
    () => true,
    () => false,
  );
}
