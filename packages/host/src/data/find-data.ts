import { access, constants, stat } from 'node:fs/promises';
import { withCacheFolder } from '@virtainers/builder';
import { dataPaths } from '@virtainers/core';
import type { HostContext } from '../context.ts';
import { type FoundContainer, findContainer } from '../engine/container.ts';
import type { EngineName } from '../engine/engine.ts';
import { type OpenDataFolder, readDataFolder, withLockedFolder } from './data-folder.ts';
import { copyData, dataPlace } from './data-place.ts';
import { withRunningCopy } from './running-copy.ts';

/** A disk that nobody writes, and the container whose it is, if it was asked for by that. */
export interface FoundData extends OpenDataFolder {
  readonly container: FoundContainer | undefined;
}

/**
 * Opens the data folder that a person means: one with a slash in its name, or one that is here; else that of a container, where
 * it lies on this machine, or a copy of what is in it; of one that runs, a copy as of now. CONTAINER_UNKNOWN and what
 * withLockedFolder and withRunningCopy throw.
 */
export async function withData<T>(
  context: HostContext & { readonly cacheDir: string },
  word: string,
  engine: EngineName | undefined,
  use: (data: FoundData) => Promise<T>,
): Promise<T> {
  if (await isFolder(word)) return useFolder(context, word, undefined, use);
  const container = await findContainer(context, word, engine);
  if (container.facts.running) {
    return withRunningCopy(context, container, async (paths) => use({ ...(await readDataFolder(paths)), container }));
  }
  const { inside, here } = dataPlace(context, container);
  if (here && (await mayUse(here))) return useFolder(context, here, container, use);
  return withCacheFolder(context, 'tmp', 'data', async (folder) => {
    const paths = dataPaths(inside);
    await copyData(container, paths, paths.overlay, folder);
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
