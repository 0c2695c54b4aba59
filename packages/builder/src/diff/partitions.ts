import { parseJson } from '@virtainers/core';
import { z } from 'zod';
import type { BuildContext } from '../context.ts';
import { kindAt } from './signatures.ts';

export interface Partition {
  /** `1`, or `whole disk` where there is no table. */
  readonly name: string;
  /** In bytes. */
  readonly start: number;
  readonly size: number;
  /** ext2, ext3 and ext4 are read alike; undefined: of another kind. */
  readonly fileSystem: 'ext4' | undefined;
  /** What it is, as far as it is known: `ext4`, `swap`, `btrfs`. */
  readonly kind: string | undefined;
  /** By the table: of GPT a GUID, of an MBR a number in hexadecimal. */
  readonly type?: string | undefined;
  /** PARTUUID. */
  readonly uuid?: string | undefined;
  /** PARTLABEL. */
  readonly label?: string | undefined;
}

/** What sfdisk(8) prints with --json. */
const tableSchema = z.object({
  partitiontable: z.object({
    sectorsize: z.number().default(512),
    partitions: z.array(
      z.object({
        ...{ node: z.string(), start: z.number(), size: z.number() },
        ...{ type: z.string().optional(), uuid: z.string().optional(), name: z.string().optional() },
      }),
    ),
  }),
});

/** The partitions of a raw disk of `size` bytes, in the order in which they lie. */
export async function readPartitions(ctx: BuildContext, disk: string, size: number): Promise<Partition[]> {
  const { stdout } = await ctx.exec('sfdisk', ['--json', disk], { allowFailure: true, signal: ctx.signal });
  const table = tableSchema.safeParse(parseJson(stdout)).data?.partitiontable;
  const places = table?.partitions.map(({ node, start, size, type, uuid, name }) => ({
    name: node.slice(disk.length).replace(/^p/, ''),
    start: start * table.sectorsize,
    size: size * table.sectorsize,
    ...{ type, uuid, label: name },
  })) ?? [{ name: 'whole disk', start: 0, size }];
  const partitions = places.map(async (place): Promise<Partition> => {
    const kind = await kindAt(disk, place.start);
    return { ...place, kind, fileSystem: kind === 'ext4' ? kind : undefined };
  });
  return (await Promise.all(partitions)).sort((a, b) => a.start - b.start);
}
