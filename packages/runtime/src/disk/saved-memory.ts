import { open, rename, rm } from 'node:fs/promises';
import {
  belongs,
  consumeMemory,
  type DataPaths,
  freeBytes,
  type MemoryRecord,
  overlayStamp,
  putMemoryAside,
  readMemoryRecord,
  saysDiskFull,
  syncDirectory,
  VirtainersError,
  writeMemoryRecord,
} from '@virtainers/core';
import { memoryDifferences, memoryDiffers } from '../guest/memory-fit.ts';
import { own, removeUsed, type Users } from './data-folder.ts';

/** What memory that is resumed must fit: all that is in its record, as it is now. */
export type Present = Pick<MemoryRecord, 'overlay' | 'fits' | 'domain' | 'instanceId'>;

const MiB = 1024 * 1024;
/** Devices, libvirt's header and the holes of a file system that has none. */
const BESIDE_RAM = 64 * MiB;

/** Why the guest's memory cannot be saved into the folder; undefined: there is room. */
export async function noRoomForMemory({ folder }: DataPaths, ramMiB: number): Promise<string | undefined> {
  const [free, needed] = [await freeBytes(folder), ramMiB * MiB + BESIDE_RAM];
  if (free >= needed) return undefined;
  return `${folder} has ${Math.floor(free / MiB)} MiB free, and ${needed / MiB} MiB are needed`;
}

/** Where the next save goes; what an earlier one left there half written is removed. */
export async function memoryTarget({ memoryTemp }: DataPaths): Promise<string> {
  await rm(memoryTemp, { force: true });
  return memoryTemp;
}

/** Makes memory that was written whole the one that the next start resumes. The record comes last: it is what counts. */
export async function keepMemory(
  paths: DataPaths,
  present: Omit<Present, 'overlay'>,
  users: Users,
  now: Date,
): Promise<void> {
  const { folder, overlay, memory, memoryTemp, memoryRecord } = paths;
  for (const path of [memoryTemp, overlay]) {
    const handle = await open(path, 'r');
    await handle.sync().finally(() => handle.close());
  }
  await own(memoryTemp, folder, users);
  await rename(memoryTemp, memory);
  await syncDirectory(folder);
  const record = { savedAt: now.toISOString(), overlay: await overlayStamp(overlay), ...present };
  await writeMemoryRecord(paths, record).catch((cause: unknown) => {
    if (!saysDiskFull(cause)) throw cause;
    throw new VirtainersError(
      'DISK_FULL',
      `saving the guest's memory: ${folder} has no room left for ${memoryRecord}`,
      {
        hint: 'the memory is saved, but nothing says to what it belongs: the next start puts it aside, and the guest boots',
        cause,
      },
    );
  });
  await own(memoryRecord, folder, users);
}

export type FoundMemory =
  | { readonly kind: 'none' }
  | { readonly kind: 'fits'; readonly record: MemoryRecord }
  /** Put aside, because of these; `to`: its new name. */
  | { readonly kind: 'aside'; readonly because: readonly string[]; readonly to: string };

/** Looks for saved memory, and puts aside what does not fit. Only the holder of the folder's lock may call it. */
export async function findMemory(paths: DataPaths, present: () => Promise<Present>, now: Date): Promise<FoundMemory> {
  const found = await readRecord(paths);
  if (found === undefined) return { kind: 'none' };
  const because = typeof found === 'string' ? [found] : misfits(found, await present());
  if (typeof found !== 'string' && because.length === 0) return { kind: 'fits', record: found };
  const to = await putMemoryAside(paths, now);
  return { kind: 'aside', because, to: to ?? paths.memory };
}

/** The reason where it cannot be understood: that is no cause not to boot. */
async function readRecord(paths: DataPaths): Promise<MemoryRecord | string | undefined> {
  try {
    return await readMemoryRecord(paths);
  } catch (error) {
    if (error instanceof VirtainersError && error.code === 'DISK_REFUSED') return error.message;
    throw error;
  }
}

/** Every property in which the two differ, with both values. Empty: the memory may be resumed. */
export function misfits(saved: MemoryRecord, present: Present): string[] {
  const differing = memoryDifferences(saved.fits, present.fits, 'saved');
  // What the properties say better is not said again in XML.
  const domain = differing.length === 0 ? differingLine(saved.domain, present.domain) : [];
  const { overlay } = saved;
  const written = belongs(saved, present.overlay)
    ? []
    : [`the disk was written after the memory was saved: at ${time(overlay)} then, at ${time(present.overlay)} now`];
  return [...differing, ...domain, ...written];
}

function differingLine(saved: string, present: string): string[] {
  if (saved === present) return [];
  const [before, now] = [saved.split('\n'), present.split('\n')];
  const line = before.findIndex((text, index) => text !== now[index]);
  const [then, next] = [before[line]?.trim(), now[line < 0 ? before.length : line]?.trim()];
  return [memoryDiffers("the machine's devices", then, next, 'saved')];
}

function time({ mtime }: MemoryRecord['overlay']): string {
  return new Date(Number(BigInt(mtime) / 1_000_000n)).toISOString();
}

/** After this no start resumes the memory; its file stays until QEMU has read it. */
export async function useUp(paths: DataPaths): Promise<void> {
  await consumeMemory(paths);
  await removeUsed(paths);
}
