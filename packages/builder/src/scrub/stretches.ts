import { open } from 'node:fs/promises';
import { writeAll } from '@virtainers/core';
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

/** What is in any of them, in order and without overlaps. Pure. */
export function union(...lists: readonly (readonly Stretch[])[]): Stretch[] {
  const all: Stretch[] = [];
  for (const { start, length } of lists.flat().sort((a, b) => a.start - b.start)) {
    const last = all.at(-1);
    if (!last || start > last.start + last.length) all.push({ start, length });
    else all[all.length - 1] = { ...last, length: Math.max(last.length, start + length - last.start) };
  }
  return all;
}

/** What of the first list is not in the second, each in order and without overlaps. Pure. */
export function subtract(first: readonly Stretch[], second: readonly Stretch[]): Stretch[] {
  const gaps: Stretch[] = [];
  let at = 0;
  for (const { start, length } of second) {
    gaps.push({ start: at, length: start - at });
    at = start + length;
  }
  return intersect(first, [...gaps, { start: at, length: Number.MAX_SAFE_INTEGER - at }]);
}

/** Puts zeros into a raw disk. */
export async function zeroStretches(disk: string, stretches: readonly Stretch[]): Promise<void> {
  const handle = await open(disk, 'r+');
  try {
    for (const { start, length } of stretches) {
      for (let at = start; at < start + length; at += PIECE) {
        await writeAll(handle, ZEROS.subarray(0, start + length - at), at);
      }
    }
  } finally {
    await handle.close();
  }
}
