import { constants } from 'node:fs';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { Stretch } from '../diff/changed-blocks.ts';
import { swapPage } from '../diff/signatures.ts';
import type { BaseImage } from '../publish/base-image.ts';
import { copySparse } from './changes.ts';
import { carryOut, contentOf, freeSpace, readFiles } from './ext4-edit.ts';
import { describePartition, type Overlaid, type Picture, takePicture } from './picture.ts';
import { planScrub } from './rules.ts';
import { filesToRead, findSecrets, type Secret } from './secrets.ts';
import { intersect, union, zeroStretches } from './stretches.ts';
import { findSwapFiles } from './swap-files.ts';
import { openVolumes, type Volume } from './volumes.ts';
import { writeBack } from './write-back.ts';

/** What was looked for in an overlay. */
export interface Found {
  readonly secrets: readonly Secret[];
  /** Partitions that could not be looked into, for people. */
  readonly unread: readonly string[];
}

export interface Scrubbed extends Found {
  /** A copy, in the folder, with the same header. */
  readonly overlay: string;
  /** What was removed or emptied, as the guest sees it. */
  readonly scrubbed: readonly string[];
}

const JOURNAL_INODE = 8;

/** Which secrets an overlay holds, in the file systems that it has changed. What takePicture throws. */
export function lookForSecrets(ctx: BuildContext, base: BaseImage, request: Overlaid, folder: string): Promise<Found> {
  return atWork(ctx, folder, `looking for secrets in ${request.overlay}`, async (work) => {
    const picture = await takePicture(ctx, base, request, work);
    const volumes = await openVolumes(ctx, picture, { folder: work, write: false });
    return { secrets: await secretsOf(ctx, volumes), unread: picture.unread.map(describePartition) };
  });
}

/**
 * A copy of an overlay without what only its machine may have, and the secrets that are left in it. What the overlay holds of
 * deleted files, of journals, of swaps and outside all partitions is gone too; what lies in the base stays there. Files are edited in a raw picture of
 * the disk, and the copy is given what differs: the same overlay gives the same content. SCRUB_IMPOSSIBLE where a changed
 * partition cannot be read, and what takePicture throws.
 */
export function scrubOverlay(ctx: BuildContext, base: BaseImage, request: Overlaid, folder: string): Promise<Scrubbed> {
  return atWork(ctx, folder, `scrubbing ${request.overlay}`, async (work) => {
    const picture = await takePicture(ctx, base, request, work);
    if (picture.unread[0]) throw impossible(request.overlay, describePartition(picture.unread[0]));
    const before = join(work, 'before.raw');
    await copySparse(ctx, picture.path, before);
    const volumes = await openVolumes(ctx, picture, { folder: work, write: true });
    const scrubbed: string[] = [];
    for (const volume of volumes) scrubbed.push(...(await scrubVolume(ctx, volume, picture.published)));
    const rest = union(await swaps(picture), picture.outside);
    await zeroStretches(picture.path, intersect(rest, picture.published));
    const gone = new Set(scrubbed);
    const left = volumes.map((each) => ({ ...each, files: each.files.filter(({ path }) => !gone.has(path)) }));
    const secrets = await secretsOf(ctx, left);
    const overlay = join(folder, 'scrubbed.qcow2');
    await copyFile(request.overlay, overlay, constants.COPYFILE_FICLONE);
    await writeBack(ctx, { before, after: picture.path, disk: picture.name(overlay), folder: work });
    return { overlay, scrubbed: scrubbed.sort(), secrets, unread: [] };
  });
}

/** In a folder for the time of it: it holds all that the guest has. */
async function atWork<T extends Found>(
  ctx: BuildContext,
  folder: string,
  title: string,
  use: (work: string) => Promise<T>,
): Promise<T> {
  const work = join(folder, 'scrub');
  await mkdir(work);
  ctx.onEvent({ type: 'start', step: 'scrub', title });
  try {
    const found = await use(work);
    ctx.onEvent({ type: 'end', step: 'scrub', note: `${found.secrets.length} possible secrets`, cached: false });
    return found;
  } finally {
    await rm(work, { recursive: true });
  }
}

function impossible(overlay: string, partition: string): VirtainersError {
  const what = 'only ext2, ext3 and ext4 can be scrubbed, and it has changed';
  return new VirtainersError('SCRUB_IMPOSSIBLE', `scrubbing ${overlay}: ${what} ${partition}`, {
    hint: 'remove in the machine what nobody else may have (host keys, histories, logs, secrets), stop it, and publish its disk as it is: --no-scrub',
  });
}

/** Gives back the paths of what was removed or emptied. */
async function scrubVolume(ctx: BuildContext, volume: Volume, published: readonly Stretch[]): Promise<string[]> {
  const { place, behind, files, swaps } = volume;
  const plan = planScrub(files);
  await carryOut(ctx, place, plan, volume.parent);
  const done = new Set([...plan.remove, ...plan.empty]);
  const left = files.filter((file) => !done.has(file));
  const stale = [
    [behind],
    await freeSpace(ctx, place),
    // Its first block says that it is empty.
    await contentOf(ctx, place, JOURNAL_INODE, place.superblock.blockSize),
  ];
  for (const { inode, page } of await findSwapFiles(ctx, place, left, swaps)) {
    stale.push(await contentOf(ctx, place, inode, page));
  }
  await zeroStretches(place.disk, intersect(union(...stale), published));
  return [...done].map(({ path }) => path);
}

async function swaps({ path, changed }: Picture): Promise<Stretch[]> {
  const parts = changed.filter(({ kind }) => kind === 'swap');
  return Promise.all(
    parts.map(async ({ start, size }) => {
      // It says what it is.
      const page = Math.min(await swapPage(path, start), size);
      return { start: start + page, length: size - page };
    }),
  );
}

async function secretsOf(ctx: BuildContext, volumes: readonly Volume[]): Promise<Secret[]> {
  const found: Secret[] = [];
  for (const { place, files } of volumes) {
    found.push(...findSecrets(files, await readFiles(ctx, place, filesToRead(files))));
  }
  return found;
}
