import { constants } from 'node:fs';
import { chmod, copyFile, link, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestFile, formatSize, isDigest, readQcow2Header } from '@virtainers/core';
import { z } from 'zod';
import type { BuildContext } from '../context.ts';
import { cachedFolder, cacheKey } from '../root/content-cache.ts';
import { decompress, detectCompression } from '../source/compression.ts';
import type { OriginFile } from '../source/origin-file.ts';
import { convertDisk, growDisk, verifyDisk } from './convert.ts';
import { checkVirtualSize, type DiskFacts, inspectDisk } from './inspect.ts';
import { refuseNoDisk } from './inspect-format.ts';
import type { QemuTool } from './qemu-tool.ts';

/** A disk made ready for an image: one qcow2 that stands alone. */
export interface ForeignDisk {
  readonly path: string;
  readonly sha256: Digest;
  /** Bytes of the file. */
  readonly size: number;
  readonly virtualSize: number;
  /** The version of the qemu-img that wrote it; undefined where the vendor's bytes were kept. */
  readonly convertedBy: string | undefined;
  readonly cached: boolean;
}

export interface ForeignDiskOptions {
  /** For people. */
  readonly name: string;
  readonly maxVirtualSize: number;
  /** Bytes; grows the disk. */
  readonly size: number | undefined;
  /** Bytes; a smaller disk is grown to it where `size` says nothing. */
  readonly minSize?: number | undefined;
}

const resultSchema = z.object({
  sha256: z.custom<Digest>(isDigest),
  size: z.number(),
  virtualSize: z.number(),
  convertedBy: z.string().optional(),
  /** The user's own file is used where it lies. */
  inPlace: z.boolean(),
});

type Result = z.infer<typeof resultSchema>;

/** Raise it when what is refused or how a disk is made changes. */
const RECIPE = 1;

/**
 * Unpacks, inspects and, where it is no clean qcow2, converts a cloud image; what is clean keeps its vendor's bytes.
 * The result is cached by the content of `origin`. DISK_REFUSED.
 */
export async function prepareForeignDisk(
  ctx: BuildContext,
  origin: OriginFile,
  qemu: QemuTool,
  options: ForeignDiskOptions,
): Promise<ForeignDisk> {
  const key = cacheKey({
    recipe: RECIPE,
    origin: origin.digest,
    qemu: qemu.identity,
    size: options.size,
    minSize: options.minSize,
    own: origin.own,
  });
  ctx.onEvent({ type: 'start', step: 'disk', title: `disk of ${options.name}` });
  const made = await cachedFolder(ctx, 'disks', key, options.name, (folder) =>
    makeDisk(ctx, origin, qemu, options, folder),
  );
  const result = resultSchema.parse(made.result);
  checkVirtualSize(options.name, result.virtualSize, options.maxVirtualSize);
  await origin.discard();
  const note = `${formatSize(result.size)}, ${formatSize(result.virtualSize)} to the guest`;
  ctx.onEvent({ type: 'end', step: 'disk', note, cached: made.cached });
  const path = result.inPlace ? await origin.open(made.folder) : join(made.folder, 'disk.qcow2');
  return { path, ...result, convertedBy: result.convertedBy, cached: made.cached };
}

async function makeDisk(
  ctx: BuildContext,
  origin: OriginFile,
  qemu: QemuTool,
  options: ForeignDiskOptions,
  folder: string,
): Promise<Result> {
  const source = await origin.open(folder);
  const plain = (await origin.takeUnpacked?.(folder)) ?? (await unpack(ctx, source, folder, options));
  const facts = await inspectDisk(plain, options.maxVirtualSize, options.name);
  await verifyDisk(qemu, plain, facts, options.name, ctx.signal);
  const size = options.size ?? Math.max(facts.virtualSize, options.minSize ?? 0);
  const grow = size !== facts.virtualSize;
  if (facts.format === 'qcow2' && !grow) return keep(origin, source, plain, folder, facts);
  const disk = join(folder, 'disk.qcow2');
  await write(ctx, qemu, plain, facts, disk, source);
  if (plain !== source) await rm(plain);
  if (!origin.own) await rm(source);
  const written = Number((await readQcow2Header(disk))?.virtualSize ?? 0);
  // A raw disk of odd length was rounded up to whole sectors.
  if (grow) await growDisk(qemu, disk, written, size);
  return describe(disk, grow ? size : written, { convertedBy: qemu.version, inPlace: false });
}

/** A compressed file is unpacked into `folder`; any other is used where it is. */
async function unpack(ctx: BuildContext, source: string, folder: string, options: ForeignDiskOptions): Promise<string> {
  const kind = await detectCompression(source);
  if (!kind) return source;
  const plain = join(folder, 'unpacked');
  let done = 0;
  await decompress(source, plain, kind, {
    spawn: ctx.spawn,
    name: options.name,
    maxSize: options.maxVirtualSize,
    checkHead: (head) => refuseNoDisk(head, options.name),
    onBytes: (count) => {
      done += count;
      ctx.onEvent({ type: 'progress', step: 'disk', done });
    },
    signal: ctx.signal,
  });
  return plain;
}

async function keep(
  origin: OriginFile,
  source: string,
  plain: string,
  folder: string,
  facts: DiskFacts,
): Promise<Result> {
  const { virtualSize } = facts;
  const fetched = plain === source;
  if (origin.own && fetched) {
    const { size } = await stat(plain);
    return { sha256: origin.digest, size, virtualSize, inPlace: true };
  }
  const disk = join(folder, 'disk.qcow2');
  await rename(plain, disk);
  if (!fetched && !origin.own) await rm(source);
  await chmod(disk, 0o644);
  return describe(disk, virtualSize, { inPlace: false, ...(fetched ? { sha256: origin.digest } : {}) });
}

/** A qcow2 that is to grow is copied as it is; any other format is converted. */
async function write(
  ctx: BuildContext,
  qemu: QemuTool,
  plain: string,
  facts: DiskFacts,
  disk: string,
  source: string,
): Promise<void> {
  if (facts.format === 'qcow2') {
    await (plain === source ? copyFile(plain, disk, constants.COPYFILE_FICLONE) : link(plain, disk));
    await chmod(disk, 0o644);
    return;
  }
  await convertDisk(qemu, plain, facts.format, disk, {
    signal: ctx.signal,
    onProgress: (fraction) => {
      const done = Math.round(fraction * facts.virtualSize);
      ctx.onEvent({ type: 'progress', step: 'disk', done, total: facts.virtualSize });
    },
  });
}

async function describe(
  disk: string,
  virtualSize: number,
  more: { sha256?: Digest; convertedBy?: string; inPlace: boolean },
): Promise<Result> {
  const { size } = await stat(disk);
  return { size, virtualSize, ...more, sha256: more.sha256 ?? (await digestFile(disk)) };
}
