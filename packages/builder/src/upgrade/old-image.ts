import { ARCHITECTURES, type Digest, isDigest, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import type { BuildContext } from '../context.ts';
import { identifyImage, withImage } from '../image-source/open.ts';
import { layerNameOf } from '../oci/image.ts';
import type { ImageOrigin } from '../oci/image-origin.ts';
import { keepLayer, keptLayer } from '../oci/kept-layer.ts';
import type { Layer } from '../oci/layer.ts';
import type { StoredImage } from '../oci/read-layout.ts';
import { defaultReference } from '../oci/reference.ts';
import type { RegistryOptions } from '../oci/registry-image.ts';
import { type Descriptor, descriptorSchema } from '../oci/schema.ts';
import { readRecord, writeRecord } from '../records.ts';

const digest = z.custom<Digest>(isDigest);

/** What its documents say, once they were found to be those of an image that virtainers made. */
const documents = z.object({
  configDigest: digest,
  /** Of the containers; its guest may be another's. */
  platform: z.enum(ARCHITECTURES),
  labels: z.record(z.string(), z.string()),
  /** Seconds since 1970. */
  created: z.number().optional(),
  name: z.string().optional(),
  /** diffIDs by what the layers are, bottom first. */
  layers: z.record(z.string(), digest),
  disk: descriptorSchema,
  layersByDiffID: z.literal(true).optional(),
});

type Documents = z.infer<typeof documents>;

/** An image that is to be upgraded, its disk layer in the cache. */
export interface OldImage extends Pick<Documents, 'configDigest' | 'platform' | 'labels' | 'created' | 'layers'> {
  readonly digest: Digest;
  readonly reference: string;
  readonly ports: readonly number[];
  /** By name. */
  readonly features: readonly string[];
  readonly disk: Layer;
}

/** An image whose digest has been here is not read again. ARCHIVE_INVALID for one that virtainers did not make. */
export async function readOldImage(
  ctx: BuildContext,
  origin: ImageOrigin,
  options: RegistryOptions,
): Promise<OldImage> {
  const { label } = origin;
  ctx.onEvent({ type: 'start', step: 'fetch', title: `taking the disk layer of ${label}` });
  const id = await identifyImage(ctx, origin, options);
  const known = await readRecord(ctx, 'upgrade', id, documents);
  const kept = known && (await keptLayer(ctx, 'disk', known, known.disk, diskOf(known)));
  const { said, disk } = kept ? { said: known, disk: kept } : await read(ctx, origin, id, options);
  ctx.onEvent({ type: 'end', step: 'fetch', note: disk.digest, cached: kept !== undefined });
  return describe(origin, id, said, disk);
}

async function read(ctx: BuildContext, origin: ImageOrigin, id: Digest, options: RegistryOptions) {
  const result = await withImage(ctx, origin, id, options, async (image) => {
    const said = readDocuments(origin.label, image);
    return { said, disk: await keepLayer(ctx, 'disk', image, said.disk, diskOf(said)) };
  });
  await writeRecord(ctx, 'upgrade', id, result.said);
  return result;
}

function readDocuments(label: string, { manifest, config, reference, layersByDiffID }: StoredImage): Documents {
  const labels = config.config?.Labels ?? {};
  const platform = ARCHITECTURES.find((one) => one === config.architecture);
  if (labels['io.virtainers.format-version'] !== '1' || !platform) {
    throw foreign(label, 'virtainers did not make it');
  }
  const history = (config.history ?? []).filter((entry) => !entry.empty_layer);
  const layers: Record<string, Digest> = {};
  let disk: Descriptor | undefined;
  for (const [index, diffID] of config.rootfs.diff_ids.entries()) {
    const made = history[index]?.created_by;
    const name = layerNameOf(made);
    if (name === 'overlay') throw published(label);
    if (!name || layers[name]) throw foreign(label, `its layer ${diffID} was made by ${JSON.stringify(made ?? '?')}`);
    layers[name] = diffID;
    if (name === 'disk') disk = manifest.layers[index];
  }
  if (!disk) throw foreign(label, 'it has no disk layer');
  const created = Date.parse(config.created ?? '') / 1000;
  return {
    ...{ configDigest: manifest.config.digest, platform, labels, layers, disk },
    ...(Number.isSafeInteger(created) && created >= 0 ? { created } : {}),
    ...(reference === undefined ? {} : { name: reference }),
    ...(layersByDiffID && { layersByDiffID }),
  };
}

function describe(origin: ImageOrigin, id: Digest, said: Documents, disk: Layer): OldImage {
  const { configDigest, platform, labels, created, layers } = said;
  const list = (name: string) => (labels[`io.virtainers.${name}`] ?? '').split(',').filter((word) => word !== '');
  const usual = defaultReference(labels['io.virtainers.name'] ?? origin.stem);
  const isFile = origin.transport === 'layout' || origin.transport === 'docker-archive';
  return {
    ...{ digest: id, configDigest, platform, labels, created, layers, disk },
    reference: isFile ? (said.name ?? usual) : (origin.name.split('@')[0] ?? usual),
    ports: list('ports').map(Number),
    features: list('features'),
  };
}

function diskOf({ layers }: Documents): Digest {
  return layers['disk'] as Digest;
}

/** What a guest wrote is no part of what is made anew. */
function published(label: string): VirtainersError {
  return new VirtainersError(
    'ARCHIVE_INVALID',
    `upgrading ${label}: it carries published overlays, which would be lost`,
    {
      hint: 'run it, stop it, and fold them into its disk: `virtainers publish NAME REFERENCE --commit`; upgrade that',
    },
  );
}

function foreign(label: string, reason: string): VirtainersError {
  return new VirtainersError('ARCHIVE_INVALID', `upgrading ${label}: ${reason}`, {
    hint: 'give an image as `virtainers bake` made it; another one’s disk can be baked anew: virtainers bake',
  });
}
