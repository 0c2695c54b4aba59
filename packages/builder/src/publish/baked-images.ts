import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestBytes, isDigest, writeFileAtomically } from '@virtainers/core';
import { z } from 'zod';
import type { BuildContext } from '../context.ts';
import type { Image } from '../oci/image.ts';
import type { Layer, LayerName } from '../oci/layer.ts';
import { configSchema } from '../oci/schema.ts';
import type { Segment } from '../oci/segments.ts';
import { readRecord, writeRecord } from '../records.ts';

const digest = z.custom<Digest>(isDigest);
const layerSchema = z.object({
  name: z.custom<LayerName>((name) => typeof name === 'string'),
  mediaType: z.string(),
  size: z.number(),
  digest,
  diffID: digest,
  segments: z.array(
    z.union([z.object({ bytes: z.string() }), z.object({ path: z.string(), size: z.number(), digest })]),
  ),
});
const imageSchema = z.object({ digest, manifest: z.string(), config: z.string(), layers: z.array(layerSchema) });

/** Bytes that a record holds itself; longer ones are kept beside it as a file. */
const SHORT = 16 * 1024;

/** Keeps how an image was put together, so that one with the same disk can be made again from this cache. */
export async function rememberImage(ctx: BuildContext, image: Image): Promise<void> {
  const disk = diskOf(image);
  if (disk === undefined) return;
  const layers = await Promise.all(
    image.layers.map(async ({ segments, ...layer }) => ({
      ...layer,
      segments: await Promise.all(segments.map((segment) => keepSegment(ctx, segment))),
    })),
  );
  const [manifest, config] = [image.manifest, image.config].map((bytes) => bytes.toString('base64'));
  await writeRecord(ctx, 'baked', disk, { digest: image.digest, manifest, config, layers });
}

/** The last image with that disk that was baked with this cache; undefined where a file of it is gone. */
export async function recallImage(ctx: BuildContext, disk: Digest): Promise<Image | undefined> {
  const known = await readRecord(ctx, 'baked', disk, imageSchema);
  if (!known) return undefined;
  const layers = known.layers.map(({ segments, ...layer }): Layer => ({ ...layer, segments: segments.map(toSegment) }));
  for (const segment of layers.flatMap((layer) => layer.segments)) {
    if (!Buffer.isBuffer(segment) && (await stat(segment.path).catch(() => undefined))?.size !== segment.size) {
      return undefined;
    }
  }
  const [manifest, config] = [Buffer.from(known.manifest, 'base64'), Buffer.from(known.config, 'base64')];
  return { layers, manifest, config, configDigest: digestBytes(config), digest: known.digest };
}

function diskOf({ config }: Image): string | undefined {
  return configSchema.parse(JSON.parse(config.toString('utf8'))).config?.Labels?.['io.virtainers.disk.sha256'];
}

async function keepSegment(ctx: BuildContext, segment: Segment): Promise<object> {
  if (!Buffer.isBuffer(segment)) return segment;
  if (segment.length <= SHORT) return { bytes: segment.toString('base64') };
  const digest = digestBytes(segment);
  const folder = join(ctx.cacheDir, 'blobs', 'sha256');
  const path = join(folder, digest.slice(7));
  await mkdir(folder, { recursive: true });
  if ((await stat(path).catch(() => undefined))?.size !== segment.length) await writeFileAtomically(path, segment);
  return { path, size: segment.length, digest };
}

function toSegment(kept: z.infer<typeof layerSchema>['segments'][number]): Segment {
  return 'bytes' in kept ? Buffer.from(kept.bytes, 'base64') : kept;
}
