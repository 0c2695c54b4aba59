import { digestBytes, LAYERS_VARIABLE } from '@virtainers/core';
import { z } from 'zod';
import { createdBy, encode, type Image, layersVariable, timestamp } from '../oci/image.ts';
import type { Layer } from '../oci/layer.ts';
import { MEDIA_TYPES } from '../oci/media-types.ts';

/** What is new in a published image, beside its layers. */
export interface Publication {
  /** Seconds since 1970. */
  readonly created: number;
  readonly message: string | undefined;
  /** Undefined takes a label away. */
  readonly labels: Readonly<Record<string, string | undefined>>;
}

const raw = z.looseObject({
  config: z
    .looseObject({ Labels: z.record(z.string(), z.string()).nullish(), Env: z.array(z.string()).nullish() })
    .nullish(),
  rootfs: z.looseObject({ type: z.literal('layers'), diff_ids: z.array(z.string()) }),
  history: z.array(z.looseObject({ empty_layer: z.boolean().optional() })).optional(),
});

/**
 * The documents of an image made from another one: its config with everything in it that is unknown here, and the layers that
 * it has now. Those that it had keep their history. Pure: the same input gives the same bytes.
 */
export function composeImage(rawConfig: Buffer, layers: readonly Layer[], publication: Publication): Image {
  const old = raw.parse(JSON.parse(rawConfig.toString('utf8')));
  const labels = withLabels(old.config?.Labels ?? {}, publication.labels);
  const others = (old.config?.Env ?? []).filter((entry) => !entry.startsWith(`${LAYERS_VARIABLE}=`));
  const config = encode({
    ...old,
    created: timestamp(publication.created),
    config: { ...old.config, Env: [...others, layersVariable(layers)], Labels: labels },
    rootfs: { ...old.rootfs, diff_ids: layers.map(({ diffID }) => diffID) },
    history: layers.map((layer) => historyOf(layer, old, publication)),
  });
  const manifest = encode({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: { mediaType: MEDIA_TYPES.config, digest: digestBytes(config), size: config.length },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    annotations: labels,
  });
  return { layers, config, configDigest: digestBytes(config), manifest, digest: digestBytes(manifest) };
}

function withLabels(old: Readonly<Record<string, string>>, changes: Publication['labels']): Record<string, string> {
  const all = Object.entries({ ...old, ...changes }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function historyOf({ name, diffID }: Layer, old: z.infer<typeof raw>, { created, message }: Publication): object {
  const index = old.rootfs.diff_ids.indexOf(diffID);
  const kept = (old.history ?? []).filter((entry) => !entry.empty_layer)[index];
  if (index !== -1) return kept ?? { created_by: createdBy(name) };
  const comment = message === undefined ? {} : { comment: message };
  return { created: timestamp(created), created_by: createdBy(name), ...comment };
}
