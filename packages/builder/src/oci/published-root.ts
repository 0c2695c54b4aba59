import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { type Digest, digestOf, isDigest, VirtainersError, writeAtomically } from '@virtainers/core';
import { z } from 'zod';
import type { BuildContext } from '../context.ts';
import { readRecord, writeRecord } from '../records.ts';
import { withCacheFolder } from '../work-folder.ts';
import { fileLayer, type Layer } from './layer.ts';
import { isLocalImage } from './local-image.ts';
import { DOCKER_MEDIA_TYPES, MEDIA_TYPES } from './media-types.ts';
import { openImage, type StoredImage } from './read-layout.ts';
import { type RegistryOptions, readRegistryImage, withDigest } from './registry-image.ts';
import type { Descriptor, ImageConfig, Manifest } from './schema.ts';

/** Names the runtime root of an image: the diffID of its bottom layer. */
export const ROOT_LABEL = 'io.virtainers.root';

/** Compressed and plain layers, by whichever name the one who stored them uses. */
const MEDIA_TYPE: Readonly<Record<string, string>> = {
  [MEDIA_TYPES.layerTar]: MEDIA_TYPES.layerTar,
  [DOCKER_MEDIA_TYPES.layerTar]: MEDIA_TYPES.layerTar,
  [MEDIA_TYPES.layerGzip]: MEDIA_TYPES.layerGzip,
  [DOCKER_MEDIA_TYPES.layerGzip]: MEDIA_TYPES.layerGzip,
};

const verified = z.object({ digest: z.custom<Digest>(isDigest), diffID: z.custom<Digest>(isDigest) });

/**
 * Takes the runtime root of a published virtainer: an archive, an unpacked layout or a registry's reference. ROOT_INVALID,
 * SOURCE_UNAVAILABLE for a file that is not there.
 */
export async function publishedRoot(ctx: BuildContext, origin: string, options: RegistryOptions = {}): Promise<Layer> {
  const local = await isLocalImage(origin);
  ctx.onEvent({ type: 'start', step: 'root', title: `runtime root of ${origin}` });
  const { layer, cached } = local
    ? await rootOf(ctx, origin, await openImage(origin, options.arch), options)
    : await fromRegistry(ctx, origin, options);
  ctx.onEvent({ type: 'end', step: 'root', note: layer.diffID, cached });
  return layer;
}

interface Found {
  readonly layer: Layer;
  readonly cached: boolean;
}

async function fromRegistry(ctx: BuildContext, reference: string, options: RegistryOptions): Promise<Found> {
  const image = await readRegistryImage(ctx, reference, options);
  const { descriptor, diffID } = describeRoot(reference, image, options);
  const known = await cachedRoot(ctx, descriptor, diffID);
  if (known) return { layer: known, cached: true };
  return withCacheFolder(ctx, 'tmp', 'root', async (folder) => {
    const tls = options.insecure ? ['--src-tls-verify=false'] : [];
    const from = `docker://${withDigest(reference, image.digest)}`;
    await ctx.exec('skopeo', ['copy', '--preserve-digests', ...tls, from, `oci:${folder}:image`], {
      env: ctx.env,
      signal: ctx.signal,
    });
    return rootOf(ctx, reference, await openImage(folder, options.arch), options);
  });
}

async function rootOf(ctx: BuildContext, origin: string, image: StoredImage, options: RegistryOptions): Promise<Found> {
  const { descriptor, diffID } = describeRoot(origin, image, options);
  const known = await cachedRoot(ctx, descriptor, diffID);
  if (known) return { layer: known, cached: true };
  const path = rootPath(ctx, descriptor);
  await mkdir(join(ctx.cacheDir, 'blobs', 'sha256'), { recursive: true });
  const place = await image.locate(descriptor);
  await writeAtomically(path, async (handle, temp) => {
    const hash = createHash('sha256');
    for await (const piece of createReadStream(place.path, {
      start: place.offset,
      end: place.offset + place.size - 1,
    })) {
      ctx.signal?.throwIfAborted();
      hash.update(piece as Buffer);
      await handle.writeFile(piece as Buffer);
    }
    const digest = digestOf(hash);
    if (digest !== descriptor.digest) throw rootInvalid(origin, `expected layer ${descriptor.digest}, got ${digest}`);
    const found = await uncompressedDigest(temp, descriptor);
    if (found !== diffID) throw rootInvalid(origin, `its root unpacks to ${found}, not to ${diffID}`);
  });
  await writeRecord(ctx, 'root', descriptor.digest, { digest: descriptor.digest, diffID });
  return { layer: layerAt(path, descriptor, diffID), cached: false };
}

/** The bottom layer, which the labels must name as the root. */
function describeRoot(
  origin: string,
  image: { manifest: Manifest; config: ImageConfig },
  { arch = 'amd64' }: RegistryOptions,
) {
  const { architecture } = image.config;
  if (architecture !== arch) throw rootInvalid(origin, `it is for ${architecture}, not for ${arch}`);
  const [descriptor] = image.manifest.layers;
  const [diffID] = image.config.rootfs.diff_ids;
  const label = image.config.config?.Labels?.[ROOT_LABEL];
  if (!descriptor?.size || !diffID || label === undefined) throw rootInvalid(origin, `it has no label ${ROOT_LABEL}`);
  if (label !== diffID) throw rootInvalid(origin, `its label names root ${label}, its bottom layer is ${diffID}`);
  if (!(descriptor.mediaType in MEDIA_TYPE)) throw rootInvalid(origin, `its root is stored as ${descriptor.mediaType}`);
  return { descriptor, diffID };
}

async function cachedRoot(ctx: BuildContext, descriptor: Descriptor, diffID: Digest): Promise<Layer | undefined> {
  const known = await readRecord(ctx, 'root', descriptor.digest, verified);
  const path = rootPath(ctx, descriptor);
  const size = (await stat(path).catch(() => undefined))?.size;
  return known?.diffID === diffID && size === descriptor.size ? layerAt(path, descriptor, diffID) : undefined;
}

function layerAt(path: string, { digest, size, mediaType }: Descriptor, diffID: Digest): Layer {
  return fileLayer('root', { path, digest, size, diffID, mediaType: MEDIA_TYPE[mediaType] ?? mediaType });
}

async function uncompressedDigest(path: string, { mediaType }: Descriptor): Promise<Digest> {
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  const plain =
    MEDIA_TYPE[mediaType] === MEDIA_TYPES.layerGzip ? file.pipe(createGunzip({ chunkSize: 1 << 20 })) : file;
  const hash = createHash('sha256');
  for await (const piece of plain) hash.update(piece as Buffer);
  return digestOf(hash);
}

function rootPath(ctx: BuildContext, { digest }: Descriptor): string {
  return join(ctx.cacheDir, 'blobs', 'sha256', digest.slice(7));
}

function rootInvalid(origin: string, reason: string): VirtainersError {
  return new VirtainersError('ROOT_INVALID', `taking the runtime root of ${origin}: ${reason}`, {
    hint: 'give an image that `virtainers bake` made',
  });
}
