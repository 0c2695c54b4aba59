import { open } from 'node:fs/promises';
import type { Stretch } from '../diff/changed-blocks.ts';

const PIECE = 1024 * 1024;
const ZEROS = Buffer.alloc(PIECE);

/** What is in both of two lists of stretches, each in order and without overlaps. Pure. */
export function intersect(first: readonly Stretch[], second: readonly Stretch[]): Stretch[] {
  const both: Stretch[] = [];
  let [a, b] = [0, 0];
  for (let [one, other] = [first[a], second[b]]; one && other; [one, other] = [first[a], second[b]]) {
    const start = Math.max(one.start, other.start);
    const end = Math.min(one.start + one.length, other.start + other.length);
    if (end > start) both.push({ start, length: end - start });
    if (one.start + one.length < other.start + other.length) a += 1;
    else b += 1;
  }
  return both;
}

/** Puts zeros into a raw disk. */
export async function zeroStretches(disk: string, stretches: readonly Stretch[]): Promise<void> {
  const handle = await open(disk, 'r+');
  try {
    for (const { start, length } of stretches) {
      for (let at = start; at < start + length; at += PIECE) {
        await handle.write(ZEROS, 0, Math.min(PIECE, start + length - at), at);
      }
    }
  } finally {
    await handle.close();
  }
}
