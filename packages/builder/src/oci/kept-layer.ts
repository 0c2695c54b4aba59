import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Digest, isDigest, VirtainersError, writeAtomically } from '@virtainers/core';
import { z } from 'zod';
import type { BuildContext } from '../context.ts';
import { readRecord, writeRecord } from '../records.ts';
import { fileLayer, type Layer, type LayerName } from './layer.ts';
import { DOCKER_MEDIA_TYPES, MEDIA_TYPES } from './media-types.ts';
import type { StoredImage } from './read-layout.ts';
import type { Descriptor } from './schema.ts';
import { unpackLayer } from './unpack-layer.ts';

/** Plain and gzip layers, by whichever name the one who stored them uses. */
const AS_STORED: Readonly<Record<string, string>> = {
  [MEDIA_TYPES.layerTar]: MEDIA_TYPES.layerTar,
  [DOCKER_MEDIA_TYPES.layerTar]: MEDIA_TYPES.layerTar,
  [MEDIA_TYPES.layerGzip]: MEDIA_TYPES.layerGzip,
  [DOCKER_MEDIA_TYPES.layerGzip]: MEDIA_TYPES.layerGzip,
};

const verified = z.object({ digest: z.custom<Digest>(isDigest), diffID: z.custom<Digest>(isDigest) });

/** Of an image from a registry or a layout nothing need be said. */
type Source = { readonly layersByDiffID?: StoredImage['layersByDiffID'] | undefined };

/**
 * A layer of somebody's image, byte for byte, as a file of the cache. One that is zstd, or whose stored bytes no digest
 * names, is kept as the tar that it is. ARCHIVE_INVALID, DIGEST_MISMATCH; nothing stays then.
 */
export async function keepLayer(
  ctx: BuildContext,
  name: LayerName,
  image: StoredImage,
  descriptor: Descriptor,
  diffID: Digest,
): Promise<Layer> {
  const { digest, path, stored } = planOf(ctx, image, descriptor, diffID);
  const where = `${image.origin}, layer ${descriptor.digest}`;
  const layer = { where, digest: image.layersByDiffID ? undefined : descriptor.digest, diffID };
  const place = await image.locate(descriptor);
  await mkdir(dirname(path), { recursive: true });
  await writeAtomically(path, async (handle) => {
    const write = (piece: Buffer) => handle.writeFile(piece);
    const options = { spawn: ctx.spawn, signal: ctx.signal, ...(stored && { onStored: write }) };
    for await (const piece of unpackLayer({ ...layer, ...place }, options)) if (!stored) await write(piece);
  });
  await writeRecord(ctx, 'root', digest, { digest, diffID });
  return layerAt(ctx, name, image, descriptor, diffID);
}

/** Undefined where it is not kept already. */
export async function keptLayer(
  ctx: BuildContext,
  name: LayerName,
  image: Source,
  descriptor: Descriptor,
  diffID: Digest,
): Promise<Layer | undefined> {
  const { digest, path } = planOf(ctx, image, descriptor, diffID);
  const known = await readRecord(ctx, 'root', digest, verified);
  const here = await stat(path).catch(() => undefined);
  return known?.diffID === diffID && here ? layerAt(ctx, name, image, descriptor, diffID) : undefined;
}

async function layerAt(
  ctx: BuildContext,
  name: LayerName,
  image: Source,
  descriptor: Descriptor,
  diffID: Digest,
): Promise<Layer> {
  const { digest, path, stored } = planOf(ctx, image, descriptor, diffID);
  const { size } = await stat(path);
  return fileLayer(name, { path, size, digest, diffID, mediaType: stored ?? MEDIA_TYPES.layerTar });
}

function planOf(ctx: BuildContext, image: Source, { mediaType, digest: its }: Descriptor, diffID: Digest) {
  const stored = image.layersByDiffID ? undefined : AS_STORED[mediaType];
  if (stored === undefined && !image.layersByDiffID && mediaType !== MEDIA_TYPES.layerZstd) {
    throw new VirtainersError('ARCHIVE_INVALID', `layer ${its} is stored as ${mediaType}, which is not read`);
  }
  const digest = stored === undefined ? diffID : its;
  return { stored, digest, path: join(ctx.cacheDir, 'blobs', 'sha256', digest.slice(7)) };
}
