import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BuildContext } from '../context.ts';
import type { Stretch } from '../diff/changed-blocks.ts';
import { readExt4 } from '../diff/ext4.ts';
import type { Partition } from '../diff/partitions.ts';
import { type Ext4Place, readFiles, repair } from './ext4-edit.ts';
import { type Mount, mountPoint, parseMounts, pointByLooks, pointOfType, saysMounts } from './fstab.ts';
import type { Picture } from './picture.ts';
import type { GuestFile } from './rules.ts';
import { readSuperblock } from './superblock.ts';

/** A file system of a guest, with what is in it by the paths that the guest knows. */
export interface Volume {
  readonly place: Ext4Place;
  /** The rest of its partition, behind it. */
  readonly behind: Stretch;
  readonly files: readonly GuestFile[];
  /** Paths that the guest says it swaps to. */
  readonly swaps: readonly string[];
  /** The inode of the folder that a file is in. */
  parent(file: GuestFile): number;
}

interface Tree {
  readonly partition: Partition;
  readonly place: Ext4Place;
  /** By the paths in this file system. */
  readonly files: readonly GuestFile[];
}

interface Opening {
  readonly folder: string;
  /** One that was not unmounted is repaired before it is read. */
  readonly write: boolean;
}

const ROOT_INODE = 2;

/** Opens the ext4 that an overlay has changed. What the guest says of them is read wherever it lies. */
export async function openVolumes(
  ctx: BuildContext,
  { path: disk, partitions, changed }: Picture,
  opening: Opening,
): Promise<Volume[]> {
  const trees: Tree[] = [];
  for (const partition of changed.filter(isExt4)) trees.push(await openTree(ctx, disk, partition, opening));
  let root = trees.find(isRoot);
  for (const partition of partitions.filter((each) => isExt4(each) && !changed.includes(each))) {
    if (root) break;
    const tree = await openTree(ctx, disk, partition, { ...opening, write: false });
    if (isRoot(tree)) root = tree;
  }
  const mounts = root ? await readMounts(ctx, root) : [];
  return trees.map((tree) => volumeOf(tree, tree === root ? '/' : pointOf(ctx, tree, mounts), mounts));
}

function isExt4({ fileSystem }: Partition): boolean {
  return fileSystem === 'ext4';
}

function isRoot({ files }: Tree): boolean {
  return files.some(({ path }) => path === '/etc/passwd' || path === '/etc/fstab');
}

async function openTree(
  ctx: BuildContext,
  disk: string,
  partition: Partition,
  { folder, write }: Opening,
): Promise<Tree> {
  const scratch = join(folder, `volume-${partition.start}`);
  await mkdir(scratch);
  const superblock = await readSuperblock(disk, partition.start);
  const place = { disk, start: partition.start, superblock, scratch };
  if (write && superblock.dirty) await repair(ctx, place);
  const { files } = await readExt4(ctx, disk, partition.start, join(scratch, 'folders'));
  return { partition, place, files: [...files].map(([path, inode]) => ({ path, inode })) };
}

async function readMounts(ctx: BuildContext, { place, files }: Tree): Promise<Mount[]> {
  const saying = files.filter(({ path }) => saysMounts(path));
  const texts = await readFiles(ctx, place, saying);
  return saying.flatMap(({ path }) => parseMounts(path, texts.get(path) ?? ''));
}

/** One that nothing names may be anything: what is known by its name alone is known there too. */
function pointOf(ctx: BuildContext, { partition, place, files }: Tree, mounts: readonly Mount[]): string {
  const { name, type, uuid: partuuid, label: partlabel } = partition;
  const said = mountPoint(mounts, { name, partuuid, partlabel, ...place.superblock }) ?? pointOfType(type);
  if (said !== undefined) return said;
  const looks = pointByLooks(files.map(({ path }) => path));
  if (files.some(({ path }) => path !== '/lost+found')) ctx.log.warn(unnamed(name, looks));
  return looks ?? '/';
}

function unnamed(name: string, looks: string | undefined): string {
  const taken = looks
    ? `it is taken for ${looks}`
    : 'logs, identities and secrets in it are known by their names alone';
  const which = name === 'whole disk' ? 'the whole disk' : `partition ${name}`;
  return `no fstab, unit or partition table of the guest says where ${which} is mounted: by what is in it, ${taken}`;
}

function volumeOf({ partition, place, files }: Tree, point: string, mounts: readonly Mount[]): Volume {
  const prefix = point === '/' ? '' : point;
  const inodes = new Map(files.map(({ path, inode }) => [`${prefix}${path}`, inode.number]));
  const { size } = place.superblock;
  return {
    place,
    behind: { start: partition.start + size, length: Math.max(0, partition.size - size) },
    files: files.map(({ path, inode }) => ({ path: `${prefix}${path}`, inode })),
    swaps: mounts.filter(({ type }) => type === 'swap').map(({ spec }) => spec),
    parent: ({ path }) => inodes.get(dirname(path)) ?? ROOT_INODE,
  };
}
