import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type Architecture,
  type Digest,
  formatSize,
  isDigest,
  type Machine,
  parseMachine,
  VirtainersError,
} from '@virtainers/core';
import { z } from 'zod';
import type { BakedDisk, DiskOptions } from '../bake-disk.ts';
import { oneAtATime } from '../cache-lock.ts';
import type { BuildContext } from '../context.ts';
import { prepareForeignDisk } from '../disk/foreign-disk.ts';
import { DEFAULT_MAX_VIRTUAL_SIZE } from '../disk/inspect.ts';
import type { QemuTool } from '../disk/qemu-tool.ts';
import type { ImageOrigin } from '../oci/image-origin.ts';
import type { StoredImage } from '../oci/read-layout.ts';
import { readRecord, writeRecord } from '../records.ts';
import { type OriginFile, tryLink } from '../source/origin-file.ts';
import { mismatch } from '../source/sums.ts';
import { findDisk } from './find-disk.ts';
import { identifyImage, withImage } from './open.ts';

export interface ImageDiskOptions extends DiskOptions {
  readonly arch: Architecture;
}

/** What an image turned out to hold. */
const record = z.object({
  sha256: z.custom<Digest>(isDigest),
  size: z.number(),
  platform: z.string(),
  machine: z.string().optional(),
});

type Content = z.infer<typeof record>;

/**
 * Takes over the disk of a KubeVirt containerDisk or of another virtainer. An image whose digest has been here is not read
 * again. SOURCE_UNAVAILABLE, ARCHIVE_INVALID, DIGEST_MISMATCH, DISK_REFUSED.
 */
export async function bakeImageDisk(
  ctx: BuildContext,
  origin: ImageOrigin,
  qemu: QemuTool,
  options: ImageDiskOptions,
): Promise<BakedDisk> {
  const { label } = origin;
  if (options.sha512 !== undefined) {
    throw new VirtainersError(
      'ARGUMENTS_BAD',
      `--sha512: ${label} is an image; give --sha256 of its disk, or NAME@DIGEST`,
    );
  }
  const digest = await identifyImage(ctx, origin, options);
  const recall = () => readRecord(ctx, 'image', digest, record);
  const content =
    (await recall()) ??
    (await oneAtATime(ctx, `image-${digest.slice(7)}`, `reads ${label}`, async () => {
      return (await recall()) ?? (await takeOut(ctx, origin, digest, options));
    }));
  if (options.sha256 !== undefined && content.sha256 !== `sha256:${options.sha256}`) {
    throw mismatch(`the disk of ${label}`, `sha256:${options.sha256}`, content.sha256);
  }
  const machine = checkContent(label, content, options.arch);
  const file = imageFile(ctx, origin, digest, content, options);
  const maxVirtualSize = options.maxVirtualSize ?? DEFAULT_MAX_VIRTUAL_SIZE;
  const disk = await prepareForeignDisk(ctx, file, qemu, { name: label, maxVirtualSize, size: options.size });
  return { disk, sourceDigest: content.sha256, convertedBy: disk.convertedBy, image: { digest, machine } };
}

/** The disk as a fetched file, which is taken out again where it is gone. */
function imageFile(
  ctx: BuildContext,
  origin: ImageOrigin,
  digest: Digest,
  { sha256 }: Content,
  options: ImageDiskOptions,
): OriginFile {
  const path = fetchedPath(ctx, sha256);
  const open = async (folder: string) => {
    const own = join(folder, 'source');
    // Another bake may discard the file at any time: what has a second name stays.
    await oneAtATime(ctx, `image-${digest.slice(7)}`, `reads ${origin.label}`, async () => {
      while (!(await tryLink(path, own))) await takeOut(ctx, origin, digest, options);
    });
    return own;
  };
  return { digest: sha256, own: false, open, discard: () => rm(path, { force: true }) };
}

async function takeOut(
  ctx: BuildContext,
  origin: ImageOrigin,
  digest: Digest,
  options: ImageDiskOptions,
): Promise<Content> {
  const { label } = origin;
  ctx.onEvent({ type: 'start', step: 'fetch', title: `taking the disk out of ${label}` });
  const content = await withImage(ctx, origin, digest, options, (image, folder) =>
    keep(ctx, label, image, folder, options),
  );
  await writeRecord(ctx, 'image', digest, content);
  ctx.onEvent({ type: 'end', step: 'fetch', note: `${content.sha256}, ${formatSize(content.size)}`, cached: false });
  return content;
}

async function keep(
  ctx: BuildContext,
  label: string,
  image: StoredImage,
  folder: string,
  { maxVirtualSize, arch }: ImageDiskOptions,
): Promise<Content> {
  const total = image.manifest.layers.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const disk = await findDisk(image, {
    ...{ label, folder, spawn: ctx.spawn, signal: ctx.signal, maxSize: maxVirtualSize ?? DEFAULT_MAX_VIRTUAL_SIZE },
    onBytes: (count) => {
      done += count;
      ctx.onEvent({ type: 'progress', step: 'fetch', done, total });
    },
  });
  const { sha256, size, machine } = disk;
  const { os, architecture } = image.config;
  const content: Content = { sha256, size, machine, platform: `${os}/${architecture}` };
  checkContent(label, content, arch);
  const path = fetchedPath(ctx, sha256);
  await mkdir(dirname(path), { recursive: true });
  await chmod(disk.path, 0o644);
  await rename(disk.path, path);
  return content;
}

/**
 * Its machine.json, where virtainers made it. DIGEST_MISMATCH where that describes another disk, ARCHIVE_INVALID for a
 * guest of another architecture; a containerDisk's is that of the image.
 */
function checkContent(
  label: string,
  { machine: text, sha256, platform }: Content,
  arch: Architecture,
): Machine | undefined {
  const machine = text === undefined ? undefined : parseMachine(text, `machine.json of ${label}`);
  if (machine && /[^\x20-\x7e]/.test(`${machine.name}${machine.user}${machine.osinfo}`)) {
    throw new VirtainersError('DISK_REFUSED', `machine.json of ${label}: a name in it is not plain text`);
  }
  if (machine?.disk && machine.disk.sha256 !== sha256) {
    throw mismatch(`the disk of ${label}`, machine.disk.sha256, sha256);
  }
  const its = machine ? `linux/${machine.arch}` : platform;
  if (its === `linux/${arch}`) return machine;
  throw new VirtainersError('ARCHIVE_INVALID', `reading ${label}: its guest is for ${its}, not for linux/${arch}`, {
    hint: its === 'linux/arm64' || its === 'linux/amd64' ? `say so: --arch ${its.slice(6)}` : undefined,
  });
}

/** Where fetched files lie until they have become an image's disk. */
function fetchedPath(ctx: BuildContext, digest: Digest): string {
  return join(ctx.cacheDir, 'downloads', `${digest.slice(7)}.file`);
}
