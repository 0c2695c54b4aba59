import { createReadStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ChainLink,
  checkOverlayHeader,
  type Digest,
  formatSize,
  IN_IMAGE,
  type Machine,
  overlayPaths,
  parseMachine,
  parseOverlay,
  readDiskHeader,
  readQcow2Header,
  VirtainersError,
} from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { Layer } from '../oci/layer.ts';
import { streamSegments, writePieces } from '../oci/segments.ts';
import { indexTar, readExactly, type TarMember } from '../oci/tar-index.ts';
import { unpackLayer } from '../oci/unpack-layer.ts';
import type { BaseImage } from './base-image.ts';

/** The disks of an image as files, each checked against what was recorded of it. */
export interface ImageDisks {
  readonly machine: Machine;
  /** By their paths in the image, the base disk first. */
  readonly chain: readonly ChainLink[];
  /** Of this machine, in the same order. */
  readonly files: readonly string[];
}

/** An unpacked layer, and where its files lie in it. */
interface OpenLayer {
  readonly path: string;
  readonly members: ReadonlyMap<string, TarMember>;
}

/** Takes an image's disks out of its layers, into `folder`. ARCHIVE_INVALID, DIGEST_MISMATCH, DISK_REFUSED. */
export async function takeDisks(ctx: BuildContext, image: BaseImage, folder: string): Promise<ImageDisks> {
  await mkdir(folder, { recursive: true });
  const layers = await openLayers(ctx, await image.fetch(folder), folder);
  const machine = parseMachine(await readText(layers, IN_IMAGE.machine), IN_IMAGE.machine);
  if (!machine.disk) throw invalid(`${image.origin} has no disk of its own`);
  const { sha256, size, virtualSize } = machine.disk;
  const chain: ChainLink[] = [{ path: IN_IMAGE.disk, format: 'qcow2', sha256, size, virtualSize }];
  const files = [await takeDisk(layers, IN_IMAGE.disk, sha256, join(folder, '0.qcow2'))];
  await readDiskHeader(files[0] ?? '');
  for (let number = 1; find(layers, overlayPaths(number).description); number += 1) {
    const below = chain.at(-1) as ChainLink;
    const { disk, description } = overlayPaths(number);
    const { on, formatVersion: _, ...facts } = parseOverlay(await readText(layers, description), description);
    if (on !== below.sha256) throw invalid(`${disk} was published on ${on}, and lies on ${below.sha256}`);
    const file = await takeDisk(layers, disk, facts.sha256, join(folder, `${number}.qcow2`));
    const header = await readQcow2Header(file);
    if (!header) throw invalid(`${disk} is not a qcow2 disk of a known version`);
    checkOverlayHeader(header, below.path, disk);
    files.push(file);
    const { sha256, size, virtualSize } = facts;
    chain.push({ path: disk, format: 'qcow2', sha256, size, virtualSize });
  }
  return { machine, chain, files };
}

/** Those that hold disks, each as a plain tar in `folder`. */
async function openLayers(ctx: BuildContext, layers: readonly Layer[], folder: string): Promise<OpenLayer[]> {
  const opened: OpenLayer[] = [];
  for (const layer of layers.filter(({ name }) => name === 'disk' || name === 'overlay')) {
    const path = join(folder, `${opened.length}.tar`);
    await writeFresh(path, withinReason(unpacked(layer, ctx), layer));
    opened.push({ path, members: await indexTar(path) });
  }
  return opened;
}

function unpacked({ segments, digest, diffID }: Layer, { spawn, signal }: BuildContext): AsyncIterable<Buffer> {
  const [only, ...others] = segments;
  if (!only || Buffer.isBuffer(only) || others.length > 0) return streamSegments(segments, { signal });
  const { path, size } = only;
  return unpackLayer({ where: `layer ${digest}`, path, offset: 0, size, digest, diffID }, { spawn, signal });
}

/** Disks are packed already: a layer that becomes so much larger holds none, and would fill the cache. */
const [SMALL, MOST] = [256 * 1024 ** 2, 64];

async function* withinReason(pieces: AsyncIterable<Buffer>, { digest, size }: Layer): AsyncGenerator<Buffer> {
  let total = 0;
  for await (const piece of pieces) {
    total += piece.length;
    if (total > Math.max(SMALL, size * MOST)) {
      throw invalid(`layer ${digest} of ${formatSize(size)} unpacks to more than ${MOST} times as much`);
    }
    yield piece;
  }
}

/** Writes the disk at `path` in the image to `to`, and gives that back; DIGEST_MISMATCH where it is another one. */
async function takeDisk(layers: readonly OpenLayer[], path: string, sha256: Digest, to: string): Promise<string> {
  const { layer, member } = demand(layers, path);
  const { offset, size } = member;
  const found = await writeFresh(to, createReadStream(layer.path, { start: offset, end: offset + size - 1 }));
  if (found === sha256) return to;
  throw new VirtainersError('DIGEST_MISMATCH', `taking ${path} out of the image: expected ${sha256}, got ${found}`);
}

async function readText(layers: readonly OpenLayer[], path: string): Promise<string> {
  const { layer, member } = demand(layers, path);
  if (member.size > 1 << 20) throw invalid(`${path} has ${member.size} bytes`);
  const handle = await open(layer.path, 'r');
  try {
    return (await readExactly(handle, member.offset, member.size)).toString('utf8');
  } finally {
    await handle.close();
  }
}

function demand(layers: readonly OpenLayer[], path: string): { layer: OpenLayer; member: TarMember } {
  const found = find(layers, path);
  if (found) return found;
  throw invalid(`${path} is in none of its layers`);
}

/** An upper layer's file hides that of a lower one. */
function find(layers: readonly OpenLayer[], path: string): { layer: OpenLayer; member: TarMember } | undefined {
  for (const layer of layers.toReversed()) {
    const member = layer.members.get(path.slice(1));
    if (member) return { layer, member };
  }
  return undefined;
}

async function writeFresh(path: string, pieces: AsyncIterable<Buffer>): Promise<Digest> {
  const handle = await open(path, 'wx');
  try {
    return await writePieces(handle, 0, pieces);
  } finally {
    await handle.close();
  }
}

function invalid(reason: string): VirtainersError {
  return new VirtainersError('ARCHIVE_INVALID', `taking the disks out of an image: ${reason}`);
}
