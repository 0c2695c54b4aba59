import { mkdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, resolve } from 'node:path';
import { type BuildContext, guardOutput, readDataFile, writeDataFile } from '@virtainers/builder';
import {
  bindOverlay,
  type DataPaths,
  dataPaths,
  lockFile,
  overlayStamp,
  presentFiles,
  refuseOdd,
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
 * Makes a data folder of such a file: whole, or what was there stays as it was. The sidecar comes before the overlay, so that whatever
 * is killed in between leaves a folder without a disk. OUTPUT_UNWRITABLE where there is one, or what belongs to one; DISK_REFUSED,
 * DATA_IN_USE, and what readDataFile throws.
 */
export async function importData(context: HostContext, file: string, folder: string): Promise<void> {
  const paths = dataPaths(resolve(folder));
  await guardOutput(paths.folder, () => mkdir(paths.folder, { recursive: true }));
  await refuseOdd(paths);
  const lock = await lockFile(context.spawn, paths.lock, `virtainers on ${hostname()}`);
  try {
    await requireNone(paths);
    await guardOutput(paths.folder, () => unpack(resolve(file), paths)).catch(async (error: unknown) => {
      for (const path of ofMachine(paths)) await rm(path, { recursive: true, force: true });
      throw error;
    });
  } finally {
    await lock.release();
  }
}

async function unpack(file: string, paths: DataPaths): Promise<void> {
  const { sidecar, memory } = await readDataFile(file, paths);
  await bindOverlay(paths.temp, sidecar.chain);
  await writeSidecar(paths.sidecar, sidecar);
  await rename(paths.temp, paths.overlay);
  if (memory) {
    await rename(paths.memoryTemp, paths.memory);
    await syncDirectory(paths.folder);
    await writeMemoryRecord(paths, { ...memory, overlay: await overlayStamp(paths.overlay) });
  }
  await syncDirectory(paths.folder);
}

/** Whatever has a meaning in a data folder: what an import writes, and what would belong to it afterwards. */
function ofMachine({ folder: _, lock: __, ...paths }: DataPaths): string[] {
  return Object.values(paths);
}

async function requireNone(paths: DataPaths): Promise<void> {
  const there = await presentFiles(ofMachine(paths));
  if (there.length === 0) return;
  const names = there.map((path) => basename(path)).join(', ');
  throw new VirtainersError(
    'OUTPUT_UNWRITABLE',
    `importing into ${paths.folder}: another machine's is there: ${names}`,
    {
      hint: 'give another folder, or move them away; what an import that was killed has left can be removed',
    },
  );
}
