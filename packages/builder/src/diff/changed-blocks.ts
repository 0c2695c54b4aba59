import { type FileHandle, open } from 'node:fs/promises';

/** A stretch of a disk, in bytes. */
export interface Stretch {
  readonly start: number;
  readonly length: number;
}

/** The smallest block in which ext4 keeps files; larger ones are multiples of it. */
export const BLOCK = 1024;
const PIECE = 1024 * 1024;

/** The blocks within `stretches` in which two raw disks differ: each one's first byte, ascending. */
export async function changedBlocks(first: string, second: string, stretches: readonly Stretch[]): Promise<number[]> {
  const [a, b] = [await open(first, 'r'), await open(second, 'r')];
  const changed: number[] = [];
  try {
    for (const { start, length } of stretches) {
      for (let at = start; at < start + length; at += PIECE) {
        const size = Math.min(PIECE, start + length - at);
        changed.push(...differing(await read(a, at, size), await read(b, at, size)).map((offset) => at + offset));
      }
    }
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
  return changed;
}

function differing(a: Buffer, b: Buffer): number[] {
  if (a.equals(b)) return [];
  const offsets = Array.from({ length: Math.ceil(a.length / BLOCK) }, (_, index) => index * BLOCK);
  return offsets.filter((at) => !a.subarray(at, at + BLOCK).equals(b.subarray(at, at + BLOCK)));
}

/** Behind its end a disk that was grown later has zeros. */
async function read(handle: FileHandle, at: number, size: number): Promise<Buffer> {
  const buffer = Buffer.alloc(size);
  await handle.read(buffer, 0, size, at);
  return buffer;
}
