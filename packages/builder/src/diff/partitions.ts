import { open } from 'node:fs/promises';
import { parseJson } from '@virtainers/core';
import { z } from 'zod';
import type { BuildContext } from '../context.ts';

export interface Partition {
  /** `1`, or `whole disk` where there is no table. */
  readonly name: string;
  /** In bytes. */
  readonly start: number;
  readonly size: number;
  /** ext2, ext3 and ext4 are read alike; undefined: of another kind. */
  readonly fileSystem: 'ext4' | undefined;
}

/** What sfdisk(8) prints with --json. */
const tableSchema = z.object({
  partitiontable: z.object({
    sectorsize: z.number().default(512),
    partitions: z.array(z.object({ node: z.string(), start: z.number(), size: z.number() })),
  }),
});

/** The partitions of a raw disk of `size` bytes, in the order in which they lie. */
export async function readPartitions(ctx: BuildContext, disk: string, size: number): Promise<Partition[]> {
  const { stdout } = await ctx.exec('sfdisk', ['--json', disk], { allowFailure: true, signal: ctx.signal });
  const table = tableSchema.safeParse(parseJson(stdout)).data?.partitiontable;
  const places = table?.partitions.map(({ node, start, size }) => ({
    name: node.slice(disk.length).replace(/^p/, ''),
    start: start * table.sectorsize,
    size: size * table.sectorsize,
  })) ?? [{ name: 'whole disk', start: 0, size }];
  const partitions = await Promise.all(
    places.map(
      async (place) => ({ ...place, fileSystem: (await isExt(disk, place.start)) ? 'ext4' : undefined }) as const,
    ),
  );
  return partitions.sort((a, b) => a.start - b.start);
}

/** The superblock's magic number (Linux, Documentation/filesystems/ext4/super.rst). */
async function isExt(disk: string, start: number): Promise<boolean> {
  const handle = await open(disk, 'r');
  try {
    const magic = Buffer.alloc(2);
    await handle.read(magic, 0, 2, start + 1024 + 56);
    return magic.readUInt16LE() === 0xef53;
  } finally {
    await handle.close();
  }
}
