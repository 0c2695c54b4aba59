import { join } from 'node:path';
import { type ChainLink, chainName, checkChain } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { Stretch } from '../diff/changed-blocks.ts';
import { mapDisk } from '../diff/map-disk.ts';
import { type Partition, readPartitions } from '../diff/partitions.ts';
import { endsAsRaid } from '../diff/signatures.ts';
import type { BaseImage } from '../publish/base-image.ts';
import { takeDisks } from '../publish/image-disks.ts';
import { isContainer, outsideOf } from './outside.ts';
import { intersect } from './stretches.ts';

/** An overlay, and what it was made on, the base disk first. */
export interface Overlaid {
  /** Nobody writes it meanwhile; its header has been checked. */
  readonly overlay: string;
  readonly chain: readonly ChainLink[];
  /** What is to be published: the overlay alone, or one disk made of it and its base. */
  readonly fold?: string | undefined;
}

/** What a guest sees, as a raw disk. */
export interface Picture {
  readonly path: string;
  /** What will be published, in order: the parts that the overlay itself holds, or all if base and overlay become one disk. */
  readonly published: readonly Stretch[];
  readonly partitions: readonly Partition[];
  /** Those of them that the overlay's own parts are in. */
  readonly changed: readonly Partition[];
  /** Those changed ones of which nobody here knows what is in them. */
  readonly unread: readonly Partition[];
  /** What is in no partition, nor in a table of them. */
  readonly outside: readonly Stretch[];
  /** A name for QEMU of an overlay in the place of that one. */
  name(overlay: string): string;
}

const READ: readonly (string | undefined)[] = ['ext4', 'swap', 'FAT'];
/** BIOS boot and PReP, in GPT and MBR: GRUB's code and nothing else. */
const BOOT_CODE = ['21686148-6449-6E6F-744E-656564454649', '9E1A2D38-C612-4316-AA26-8B49521E5A8B', '41'];

/** Unpacks disk and base into `folder`, sparse. BASE_MISMATCH, and what takeDisks throws. */
export async function takePicture(
  ctx: BuildContext,
  base: BaseImage,
  { overlay, chain, fold }: Overlaid,
  folder: string,
): Promise<Picture> {
  const taken = await takeDisks(ctx, base, join(folder, 'base'));
  checkChain({ chain: [...chain], reference: base.origin }, taken.chain, overlay);
  const below = taken.files.toReversed().map((path) => ({ path, format: 'qcow2' as const }));
  const name = (top: string) => chainName({ path: top, format: 'qcow2' }, below);
  const path = join(folder, 'picture.raw');
  await ctx.exec('qemu-img', ['convert', '-q', '-O', 'raw', name(overlay), path], { signal: ctx.signal });
  const map = await mapDisk(ctx, name(overlay));
  const kept = map.filter(({ data }) => data);
  const own = kept.filter(({ depth }) => depth === 0);
  const size = map.reduce((sum, { length }) => sum + length, 0);
  const partitions = await Promise.all((await readPartitions(ctx, path, size)).map((each) => asMember(path, each)));
  const changed = partitions.filter((each) => isChanged(each, own));
  const unread = changed.filter(({ kind, type = '' }) => !READ.includes(kind) && !BOOT_CODE.includes(type));
  const outside = await outsideOf(path, size, partitions);
  return { path, published: fold === undefined ? own : kept, partitions, changed, unread, outside, name };
}

/** One disk of a mirror begins like any other: to change it alone would make the two differ. */
async function asMember(disk: string, partition: Partition): Promise<Partition> {
  const isMember = await endsAsRaid(disk, partition.start, partition.size);
  return isMember ? { ...partition, kind: 'RAID', fileSystem: undefined } : partition;
}

/** For people. */
export function describePartition({ name, kind = 'of an unknown kind' }: Partition): string {
  return name === 'whole disk' ? `the whole disk, which is ${kind}` : `partition ${name}, which is ${kind}`;
}

function isChanged(partition: Partition, own: readonly Stretch[]): boolean {
  const { start, size } = partition;
  return !isContainer(partition) && intersect([{ start, length: size }], own).length > 0;
}
