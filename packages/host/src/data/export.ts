import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { type BuildContext, readDataFile, writeDataFile } from '@virtainers/builder';
import {
  bindOverlay,
  type DataPaths,
  dataPaths,
  lockFile,
  overlayStamp,
  statePaths,
  syncDirectory,
  VirtainersError,
  writeMemoryRecord,
  writeSidecar,
} from '@virtainers/core';
import type { HostContext } from '../context.ts';
import type { EngineName } from '../engine/engine.ts';
import { type FoundData, withData } from './find-data.ts';

/** Writes the disk of a stopped container or of a data folder, with its sidecar, into one file; gives back its size. */
export async function exportData(
  context: HostContext,
  build: BuildContext,
  {
    source,
    file,
    engine,
  }: { readonly source: string; readonly file: string; readonly engine?: EngineName | undefined },
): Promise<number> {
  const write = ({ paths, sidecar }: FoundData) => writeDataFile(build, paths, sidecar, file);
  const words = { engine, memory: true };
  const { size, withoutMemory } = await withData({ ...context, cacheDir: build.cacheDir }, source, words, write);
  if (withoutMemory) context.log.warn(WITHOUT_MEMORY);
  return size;
}

const WITHOUT_MEMORY =
  'the guest was saved, and its memory is not in the file, because the disk has changed since: where the file is imported it boots';

/**
 * Makes a data folder of such a file. The sidecar comes before the overlay, so that whatever is killed in between leaves a folder
 * without a disk. OUTPUT_UNWRITABLE where there is one, and what readDataFile throws.
 */
export async function importData(context: HostContext, file: string, folder: string): Promise<void> {
  const paths = dataPaths(resolve(folder));
  await mkdir(paths.folder, { recursive: true });
  const lock = await lockFile(context.spawn, paths.lock, `virtainers on ${hostname()}`);
  try {
    await requireNone(paths);
    const { sidecar, memory } = await readDataFile(resolve(file), paths).catch(async (error: unknown) => {
      for (const path of statePaths(paths)) await rm(path, { recursive: true, force: true });
      throw error;
    });
    await bindOverlay(paths.temp, sidecar.chain);
    await writeSidecar(paths.sidecar, sidecar);
    await rename(paths.temp, paths.overlay);
    if (memory) {
      await rename(paths.memoryTemp, paths.memory);
      await syncDirectory(paths.folder);
      await writeMemoryRecord(paths, { ...memory, overlay: await overlayStamp(paths.overlay) });
    }
    await syncDirectory(paths.folder);
  } finally {
    for (const path of [paths.temp, paths.memoryTemp]) await rm(path, { force: true });
    await lock.release();
  }
}

async function requireNone({ overlay }: DataPaths): Promise<void> {
  if ((await lstat(overlay).catch(() => undefined)) === undefined) return;
  throw new VirtainersError('OUTPUT_UNWRITABLE', `importing into ${overlay}: there is a disk already`, {
    hint: 'give another folder, or move that disk and its local_image.json away',
  });
}
