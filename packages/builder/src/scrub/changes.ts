import { type FileHandle, open } from 'node:fs/promises';
import type { BuildContext } from '../context.ts';
import type { Stretch } from '../diff/changed-blocks.ts';
import { mapDisk } from '../diff/map-disk.ts';
import { union } from './stretches.ts';

/** A cluster of an overlay as `qemu-img create` makes it: written as a whole, nothing is read from below. */
const CLUSTER = 64 * 1024;
/** So much is written by one command. */
const RUN = 32 * CLUSTER;

/** A stretch in which a raw disk is not what it was. */
export interface Change extends Stretch {
  /** Undefined: zeros. */
  readonly bytes: Buffer | undefined;
}

/** A second file of the same bytes, with the same holes. */
export async function copySparse(ctx: BuildContext, from: string, to: string): Promise<void> {
  await ctx.exec('cp', ['--sparse=always', '--reflink=auto', from, to], { signal: ctx.signal });
}

/**
 * Where two raw disks of the same size differ, in whole clusters and in order. What is a hole in one of them is read all the
 * same: e2fsck and some file systems (ZFS, btrfs, where they compress) make holes of zeros.
 */
export async function* changes(ctx: BuildContext, before: string, after: string): AsyncGenerator<Change> {
  const stretches = union(await filled(ctx, before), await filled(ctx, after));
  const [old, now] = [await open(before, 'r'), await open(after, 'r')];
  try {
    const { size } = await now.stat();
    let done = 0;
    for (const { start, length } of stretches) {
      const end = Math.min(Math.ceil((start + length) / CLUSTER) * CLUSTER, size);
      for (let at = Math.max(done, Math.floor(start / CLUSTER) * CLUSTER); at < end; at += RUN) {
        const [a, b] = [await read(old, at, Math.min(RUN, end - at)), await read(now, at, Math.min(RUN, end - at))];
        yield* differences(a, b, at);
      }
      done = Math.max(done, end);
    }
  } finally {
    await Promise.all([old.close(), now.close()]);
  }
}

async function filled(ctx: BuildContext, disk: string): Promise<Stretch[]> {
  return (await mapDisk(ctx, disk, ['-f', 'raw'])).filter(({ data }) => data);
}

/** Cluster by cluster; neighbours of the same kind are one. */
function differences(a: Buffer, b: Buffer, at: number): Change[] {
  if (a.equals(b)) return [];
  const found: { start: number; end: number; zero: boolean }[] = [];
  for (let start = 0; start < b.length; start += CLUSTER) {
    const end = Math.min(start + CLUSTER, b.length);
    const bytes = b.subarray(start, end);
    if (a.subarray(start, end).equals(bytes)) continue;
    const zero = bytes.every((byte) => byte === 0);
    const last = found.at(-1);
    if (last?.end === start && last.zero === zero) last.end = end;
    else found.push({ start, end, zero });
  }
  return found.map(({ start, end, zero }) => ({
    ...{ start: at + start, length: end - start },
    bytes: zero ? undefined : Buffer.from(b.subarray(start, end)),
  }));
}

/** Behind its end a disk has zeros. */
async function read(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  await handle.read(buffer, 0, length, at);
  return buffer;
}
