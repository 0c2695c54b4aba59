import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BuildContext } from '../context.ts';
import { readExt4 } from '../diff/ext4.ts';
import type { Partition } from '../diff/partitions.ts';
import { type Ext4Place, readFiles, repair } from './ext4-edit.ts';
import { type FstabLine, mountPoint, parseFstab } from './fstab.ts';
import type { GuestFile } from './rules.ts';
import { readSuperblock } from './superblock.ts';

/** A file system of a guest, with what is in it by the paths that the guest knows. */
export interface Volume {
  readonly place: Ext4Place;
  readonly files: readonly GuestFile[];
  /** Swap files among them. */
  readonly swap: readonly GuestFile[];
  /** The inode of the folder that a file is in. */
  parent(file: GuestFile): number;
}

interface Tree extends Pick<Volume, 'place'> {
  readonly partition: Partition;
  /** By the paths in this file system. */
  readonly files: readonly GuestFile[];
}

const ROOT_INODE = 2;
const FSTAB = '/etc/fstab';

/** Opens the ext4 among `partitions` of a raw disk. `write`: one that was not unmounted is repaired before it is read. */
export async function openVolumes(
  ctx: BuildContext,
  disk: string,
  partitions: readonly Partition[],
  { folder, write }: { readonly folder: string; readonly write: boolean },
): Promise<Volume[]> {
  const trees: Tree[] = [];
  for (const partition of partitions.filter(({ fileSystem }) => fileSystem === 'ext4')) {
    const scratch = join(folder, `volume-${partition.start}`);
    await mkdir(scratch);
    const superblock = await readSuperblock(disk, partition.start);
    const place = { disk, start: partition.start, superblock, scratch };
    if (write && superblock.dirty) await repair(ctx, place);
    const { files } = await readExt4(ctx, disk, partition.start, join(scratch, 'folders'));
    trees.push({ partition, place, files: [...files].map(([path, inode]) => ({ path, inode })) });
  }
  const root = trees.find(({ files }) => files.some(({ path }) => path === '/etc/passwd' || path === FSTAB));
  const lines = root ? await readFstab(ctx, root) : [];
  return trees.map((tree) => volumeOf(tree, tree === root ? '/' : pointOf(tree, lines), tree === root ? lines : []));
}

async function readFstab(ctx: BuildContext, { place, files }: Tree): Promise<FstabLine[]> {
  const texts = await readFiles(
    ctx,
    place,
    files.filter(({ path }) => path === FSTAB),
  );
  return parseFstab(texts.get(FSTAB) ?? '');
}

/** One that fstab does not name may be anything: what is known by its name alone is known there too. */
function pointOf({ partition: { name, uuid: partition }, place }: Tree, lines: readonly FstabLine[]): string {
  return mountPoint(lines, { name, partition, ...place.superblock }) ?? '/';
}

function volumeOf({ place, files }: Tree, point: string, lines: readonly FstabLine[]): Volume {
  const prefix = point === '/' ? '' : point;
  const inodes = new Map(files.map(({ path, inode }) => [`${prefix}${path}`, inode.number]));
  const known = files.map(({ path, inode }) => ({ path: `${prefix}${path}`, inode }));
  const swap = lines.filter(({ type }) => type === 'swap').map(({ spec }) => spec);
  return {
    ...{ place, files: known },
    swap: known.filter(({ path }) => swap.includes(path)),
    parent: ({ path }) => inodes.get(dirname(path)) ?? ROOT_INODE,
  };
}
