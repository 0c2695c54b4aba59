import { type FileHandle, open } from 'node:fs/promises';
import { VirtainersError } from '@virtainers/core';

/** A disk image that nobody has vouched for: read by us a bounded piece at a time, never by its own word. */
export interface DiskBytes {
  /** For people. */
  readonly name: string;
  readonly size: number;
  /** Up to `length` bytes; fewer at the end of the file. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** Larger pieces are never needed: the tables of every format have a limit below it. */
const LARGEST_READ = 32 * 1024 * 1024;

/** Opens for the time of `use`. */
export async function withDiskBytes<T>(path: string, name: string, use: (disk: DiskBytes) => Promise<T>): Promise<T> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    return await use({ name, size, read: (offset, length) => readPiece(handle, offset, length, size) });
  } finally {
    await handle.close();
  }
}

/** The same from memory. */
export function diskBytesOf(bytes: Buffer, name = 'disk'): DiskBytes {
  return {
    name,
    size: bytes.length,
    read: async (offset, length) =>
      bytes.subarray(Math.min(offset, bytes.length), Math.min(offset + length, bytes.length)),
  };
}

/** DISK_REFUSED, the reason in plain words. */
export function refuse(name: string, reason: string, hint?: string): VirtainersError {
  return new VirtainersError('DISK_REFUSED', `inspecting ${name}: ${reason}`, { hint });
}

/** All `length` bytes, or the file is truncated: `what` is missing. */
export async function readWhole(disk: DiskBytes, offset: number, length: number, what: string): Promise<Buffer> {
  const bytes = offset + length <= disk.size ? await disk.read(offset, length) : Buffer.alloc(0);
  if (bytes.length === length) return bytes;
  throw refuse(disk.name, `it is truncated: ${what} should end at byte ${offset + length}, the file at ${disk.size}`);
}

async function readPiece(handle: FileHandle, offset: number, length: number, size: number): Promise<Buffer> {
  if (length > LARGEST_READ) throw new RangeError(`a read of ${length} bytes`);
  const buffer = Buffer.alloc(Math.max(0, Math.min(length, size - offset)));
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}
