import { chmod, chown, readFile, rename, stat } from 'node:fs/promises';
import { z } from 'zod';
import { VirtainersError } from '../errors.ts';
import { isAccessible, syncDirectory, writeFileAtomically } from '../files.ts';
import { checkFormatVersion } from '../format-version.ts';
import { parseJson } from '../json.ts';
import { putAside } from './aside.ts';
import type { DataPaths } from './paths.ts';

const FORMAT_VERSION = 1;

const recordSchema = z.looseObject({
  formatVersion: z.literal(FORMAT_VERSION),
  /** ISO 8601. */
  savedAt: z.string(),
  /** The overlay as the guest left it: whoever writes it afterwards changes the time. Bytes; ns since 1970. */
  overlay: z.looseObject({ size: z.string(), mtime: z.string() }),
  /** Every property that the memory depends on, by its name for people. */
  fits: z.record(z.string(), z.string()),
  /** The domain's XML as it would have been started. */
  domain: z.string(),
  /** The seed's: one that changed meanwhile reaches the guest when it boots. */
  instanceId: z.string().optional(),
});

/** local_memory.json: what saved memory belongs to. It is written after the memory and removed before the guest goes on. */
export type MemoryRecord = z.infer<typeof recordSchema>;

/** Undefined where no memory is saved. Throws DISK_REFUSED for a record that cannot be understood. */
export async function readMemoryRecord({
  memoryRecord,
}: Pick<DataPaths, 'memoryRecord'>): Promise<MemoryRecord | undefined> {
  const text = await readFile(memoryRecord, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new VirtainersError('DATA_UNWRITABLE', `reading ${memoryRecord}: ${error.message}`, { cause: error });
  });
  return text === undefined ? undefined : parseMemoryRecord(text, memoryRecord);
}

export function parseMemoryRecord(text: string, where: string): MemoryRecord {
  const json = parseJson(text);
  checkFormatVersion(json, FORMAT_VERSION, where, 'DISK_REFUSED');
  const parsed = recordSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new VirtainersError('DISK_REFUSED', `reading ${where}:\n${z.prettifyError(parsed.error)}`);
}

export async function writeMemoryRecord(
  { memoryRecord }: Pick<DataPaths, 'memoryRecord'>,
  record: Omit<MemoryRecord, 'formatVersion'>,
): Promise<void> {
  const text = JSON.stringify({ formatVersion: FORMAT_VERSION, ...record }, undefined, 2);
  await writeFileAtomically(memoryRecord, `${text}\n`, 0o600);
}

/** What a disk is known by: its content cannot change without its time. */
export async function overlayStamp(path: string): Promise<MemoryRecord['overlay']> {
  const { size, mtimeNs } = await stat(path, { bigint: true });
  return { size: `${size}`, mtime: `${mtimeNs}` };
}

/**
 * Renames saved memory and its record out of the way, for people to decide on; nothing ever takes it back by itself. Only the
 * holder of the folder's lock may call it. Gives back its new name; undefined where there was none.
 */
export async function putMemoryAside({ memory, memoryRecord }: DataPaths, now: Date): Promise<string | undefined> {
  if (!(await isAccessible(memoryRecord))) return undefined;
  // The memory first: a record alone is put aside at the next start, too.
  const [aside] = await putAside([memory, memoryRecord], now);
  return aside;
}

/**
 * For a change of the overlay's file that leaves the guest's disk as it is, such as a snapshot: saved memory that belonged to it
 * before belongs to it afterwards. Killed in between, it does not, and the next start puts it aside.
 */
export async function keepingMemory<T>(paths: DataPaths, change: () => Promise<T>): Promise<T> {
  const record = await readMemoryRecord(paths);
  const fits = record && belongs(record, await overlayStamp(paths.overlay));
  const result = await change();
  if (fits) {
    const { uid, gid, mode } = await stat(paths.memoryRecord);
    await writeMemoryRecord(paths, { ...record, overlay: await overlayStamp(paths.overlay) });
    await chown(paths.memoryRecord, uid, gid);
    await chmod(paths.memoryRecord, mode);
  }
  return result;
}

/** The disk is still as it was when the memory was saved. */
export function belongs({ overlay }: Pick<MemoryRecord, 'overlay'>, now: MemoryRecord['overlay']): boolean {
  return overlay.size === now.size && overlay.mtime === now.mtime;
}

/** Memory that is being used up: from here on nothing resumes it, and the disk may be written. */
export async function consumeMemory({ folder, memoryRecord, memoryUsed }: DataPaths): Promise<void> {
  await rename(memoryRecord, memoryUsed);
  await syncDirectory(folder);
}
