import { type Digest, digestBytes, HEALTH_CHECK, IN_IMAGE, LAYERS_VARIABLE } from '@virtainers/core';
import type { Layer, LayerName } from './layer.ts';
import { MEDIA_TYPES } from './media-types.ts';

/** What an image says about itself, beside its layers. */
export interface ImageFields {
  /** OCI architecture: `amd64`. */
  readonly arch: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly labels: Readonly<Record<string, string>>;
  /** TCP ports. */
  readonly ports: readonly number[];
}

/** Config and manifest as bytes, so that digests are of what is written. */
export interface Image {
  readonly layers: readonly Layer[];
  readonly config: Buffer;
  readonly configDigest: Digest;
  readonly manifest: Buffer;
  readonly digest: Digest;
}

const CREATED_BY = {
  root: 'virtainers: runtime root',
  disk: 'virtainers: disk',
  app: 'virtainers: supervisor and templates',
  overlay: 'virtainers: published overlay',
} as const;

/** OCI wants nanoseconds in a health check's durations, as Docker writes them. */
const SECOND = 1_000_000_000;

/** Puts the documents of an image around its layers, bottom first. Pure: the same input gives the same bytes. */
export function assembleImage(layers: readonly Layer[], fields: ImageFields): Image {
  const config = encode(configDocument(layers, fields));
  const manifest = encode(manifestDocument(layers, fields, config));
  return { layers, config, configDigest: digestBytes(config), manifest, digest: digestBytes(manifest) };
}

/** What a puller fetches, in bytes. */
export function imageSize(image: Image): number {
  return image.layers.reduce((sum, layer) => sum + layer.size, image.config.length + image.manifest.length);
}

export function encode(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document));
}

/** `created` as RFC 3339 without a fraction. */
export function timestamp(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

/** OCI image-spec, config.md; Healthcheck is Docker's addition, which Docker and Podman keep on load. */
function configDocument(layers: readonly Layer[], fields: ImageFields): object {
  const created = timestamp(fields.created);
  return {
    created,
    architecture: fields.arch,
    os: 'linux',
    config: {
      ExposedPorts: Object.fromEntries(fields.ports.map((port) => [`${port}/tcp`, {}])),
      Env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'XDG_RUNTIME_DIR=/tmp/virtainers',
        layersVariable(layers),
      ],
      Entrypoint: ['/usr/bin/tini', '-s', '--', '/usr/bin/node', IN_IMAGE.runtime],
      WorkingDir: '/',
      Labels: fields.labels,
      StopSignal: 'SIGTERM',
      Healthcheck: {
        Test: ['CMD', ...HEALTH_CHECK.command],
        Interval: HEALTH_CHECK.interval * SECOND,
        Timeout: HEALTH_CHECK.timeout * SECOND,
        StartPeriod: HEALTH_CHECK.startPeriod * SECOND,
        Retries: HEALTH_CHECK.retries,
      },
    },
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.diffID) },
    history: layers.map((layer) => ({ created, created_by: createdBy(layer.name) })),
  };
}

/** Tells whoever runs the image what it is made of: no layer can hold its own digest, and engines hand no label in. */
export function layersVariable(layers: readonly Layer[]): string {
  return `${LAYERS_VARIABLE}=${layers.map(({ diffID }) => diffID).join(',')}`;
}

/** What a layer's history entry says. */
export function createdBy(name: LayerName): string {
  return name in CREATED_BY ? CREATED_BY[name as keyof typeof CREATED_BY] : `virtainers: ${name.replace('-', ' ')}`;
}

/** What a layer is, by its history entry; undefined for one that virtainers did not make. */
export function layerNameOf(createdBy: string | undefined): LayerName | undefined {
  const known = Object.entries(CREATED_BY).find(([, text]) => text === createdBy)?.[0] as LayerName | undefined;
  const feature = /^virtainers: feature ([a-z0-9-]+)$/.exec(createdBy ?? '')?.[1];
  return known ?? (feature === undefined ? undefined : `feature-${feature}`);
}

function manifestDocument(layers: readonly Layer[], fields: ImageFields, config: Buffer): object {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    config: { mediaType: MEDIA_TYPES.config, digest: digestBytes(config), size: config.length },
    layers: layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    annotations: fields.labels,
  };
}
