import { stat } from 'node:fs/promises';
import { workingIn } from '@virtainers/builder';
import { dataPaths } from '@virtainers/core';
import type { HostContext } from '../context.ts';
import { type FoundContainer, findContainer } from '../engine/container.ts';
import type { EngineName } from '../engine/engine.ts';
import { type OpenDataFolder, readDataFolder, withLockedFolder } from './data-folder.ts';
import { copyData, copyMemory, dataPlace, mayRead } from './data-place.ts';
import { withRunningCopy } from './running-copy.ts';
import { copyUnlocked } from './unlocked-copy.ts';

/** A disk that nobody writes, and the container whose it is, if it was asked for by that. */
export interface FoundData extends OpenDataFolder {
  readonly container: FoundContainer | undefined;
}

/** Where a disk is: a folder of this machine, a running container, or one whose files this person cannot use where they are. */
export type DataPlace =
  | { readonly kind: 'folder'; readonly folder: string; readonly container: FoundContainer | undefined }
  | { readonly kind: 'running' | 'elsewhere'; readonly container: FoundContainer };

/** A folder is a word with a slash, or one whose data folder is here; else it is a container. CONTAINER_UNKNOWN. */
export async function findData(context: HostContext, word: string, engine: EngineName | undefined): Promise<DataPlace> {
  if (await isFolder(word)) return { kind: 'folder', folder: word, container: undefined };
  const container = await findContainer(context, word, engine);
  if (container.facts.running) return { kind: 'running', container };
  const { here } = dataPlace(context, container);
  return here && (await mayUse(here)) ? { kind: 'folder', folder: here, container } : { kind: 'elsewhere', container };
}

export interface DataWords {
  readonly engine?: EngineName | undefined;
  /** Saved memory is wanted too, which is large; its record always is. */
  readonly memory?: boolean | undefined;
}

/**
 * Opens the disk that a person means, in its data folder, or a copy of what is in it; of a machine that runs, a copy as of now. What
 * findData, withLockedFolder and withRunningCopy throw.
 */
export async function withData<T>(
  context: HostContext & { readonly cacheDir: string },
  word: string,
  { engine, memory = false }: DataWords,
  use: (data: FoundData) => Promise<T>,
): Promise<T> {
  const place = await findData(context, word, engine);
  const { container } = place;
  if (place.kind === 'folder') return useFolder(context, place.folder, container, use);
  if (place.kind === 'running') {
    return withRunningCopy(context, place.container, async (paths) =>
      use({ ...(await readDataFolder(paths)), container }),
    );
  }
  return workingIn(context, 'data', async (folder) => {
    const paths = dataPaths(dataPlace(context, place.container).inside);
    await copyUnlocked(place.container, context.kernel, folder, async () => {
      await copyData(place.container, paths, paths.overlay, folder);
      if (memory) await copyMemory(place.container, paths, dataPaths(folder));
    });
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
function mayUse(folder: string): Promise<boolean> {
  const { overlay, sidecar, lock } = dataPaths(folder);
  return mayRead(overlay, sidecar, lock);
}
