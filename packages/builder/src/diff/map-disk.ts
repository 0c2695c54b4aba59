import { parseJson } from '@virtainers/core';
import { z } from 'zod';
import type { BuildContext } from '../context.ts';
import type { Stretch } from './changed-blocks.ts';

/** qapi/block-core.json, MapEntry: what we rely on. */
const mapSchema = z.array(
  z.object({ start: z.number(), length: z.number(), depth: z.number(), data: z.boolean(), zero: z.boolean() }),
);

/** A stretch of a disk, and where it is kept: depth 0 is the top of its chain, `data` whether there are bytes. */
export interface MappedStretch extends Stretch {
  readonly depth: number;
  readonly data: boolean;
}

/** What a disk is made of, in its order; `disk`: a name for QEMU that spells its chain out. */
export async function mapDisk(
  ctx: BuildContext,
  disk: string,
  words: readonly string[] = [],
): Promise<MappedStretch[]> {
  const args = ['map', '--output=json', ...words, disk];
  return mapSchema.parse(parseJson((await ctx.exec('qemu-img', args, { signal: ctx.signal })).stdout));
}
