import { join } from 'node:path';
import { type ChainLink, chainName, checkChain } from '@virtainers/core';
import { workingIn } from '../cache-lock.ts';
import type { BuildContext } from '../context.ts';
import { type BaseWanted, findBaseImage } from '../publish/base-image.ts';
import { takeDisks } from '../publish/image-disks.ts';
import { BLOCK, changedBlocks } from './changed-blocks.ts';
import { compareFiles, type FileChange } from './compare-files.ts';
import { readExt4 } from './ext4.ts';
import { mapDisk } from './map-disk.ts';
import { type Partition, readPartitions } from './partitions.ts';

export interface DiffRequest {
  /** Nobody writes it meanwhile; its header has been checked. */
  readonly overlay: string;
  readonly virtualSize: number;
  readonly chain: readonly ChainLink[];
  /** Where the image that it was made from may be, as in BaseWanted. */
  readonly references: readonly string[];
  readonly save?: BaseWanted['save'];
  readonly insecure?: BaseWanted['insecure'];
}

export interface PartitionDiff extends Partition {
  /** Bytes, in blocks of 1 KiB. */
  readonly changed: number;
  /** Undefined: its file system cannot be read here. */
  readonly files: readonly FileChange[] | undefined;
}

export interface DiskDiff {
  readonly changed: number;
  readonly partitions: readonly PartitionDiff[];
  /** Bytes that differ outside any partition. */
  readonly elsewhere: number;
}

/**
 * What an overlay changed: bytes by partition, and files where they lie in ext4. Both disks are unpacked for it, sparse, in the
 * cache's folder; nothing is mounted.
 */
export async function diffDisk(ctx: BuildContext, request: DiffRequest): Promise<DiskDiff> {
  return workingIn(ctx, 'diff', async (folder) => {
    const base = await takeDisks(ctx, await findBaseImage(ctx, request, folder), join(folder, 'base'));
    checkChain({ chain: [...request.chain] }, base.chain, request.overlay);
    const below = base.files.toReversed().map((path) => ({ path, format: 'qcow2' as const }));
    const [top, ...rest] = below;
    if (!top) throw new Error('an image without disks');
    const overlay = chainName({ path: request.overlay, format: 'qcow2' }, below);
    const [before, now] = [join(folder, 'before.raw'), join(folder, 'now.raw')];
    ctx.onEvent({ type: 'start', step: 'disk', title: `comparing ${request.overlay} with its base` });
    await convert(ctx, chainName(top, rest), before);
    await convert(ctx, overlay, now);
    const blocks = await changedBlocks(
      before,
      now,
      (await mapDisk(ctx, overlay)).filter(({ depth }) => depth === 0),
    );
    const partitions: PartitionDiff[] = [];
    for (const partition of await readPartitions(ctx, now, request.virtualSize)) {
      partitions.push(await diffPartition(ctx, partition, blocks, { before, now, scratch: join(folder, 'questions') }));
    }
    ctx.onEvent({ type: 'end', step: 'disk', note: `${blocks.length} blocks differ`, cached: false });
    const changed = blocks.length * BLOCK;
    return { changed, partitions, elsewhere: partitions.reduce((left, each) => left - each.changed, changed) };
  });
}

async function diffPartition(
  ctx: BuildContext,
  partition: Partition,
  blocks: readonly number[],
  { before, now, scratch }: { readonly before: string; readonly now: string; readonly scratch: string },
): Promise<PartitionDiff> {
  const { start, size, fileSystem } = partition;
  const own = blocks.filter((at) => at >= start && at < start + size);
  const changed = own.length * BLOCK;
  if (fileSystem === undefined) return { ...partition, changed, files: undefined };
  if (own.length === 0) return { ...partition, changed, files: [] };
  const current = await readExt4(ctx, now, start, scratch);
  // A file system that is new there has no files before.
  const old = await readExt4(ctx, before, start, scratch).catch(() => ({ files: new Map() }));
  return { ...partition, changed, files: compareFiles(old.files, current.files, await current.owners(own)) };
}

async function convert(ctx: BuildContext, from: string, to: string): Promise<void> {
  await ctx.exec('qemu-img', ['convert', '-q', '-O', 'raw', from, to], { signal: ctx.signal });
}
