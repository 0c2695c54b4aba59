import { mkdir, stat, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Digest } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { createdBy } from '../oci/image.ts';
import { fileLayer, type Layer, type LayerName } from '../oci/layer.ts';
import { isLocalImage } from '../oci/local-image.ts';
import { DOCKER_MEDIA_TYPES, MEDIA_TYPES } from '../oci/media-types.ts';
import { openImage } from '../oci/read-layout.ts';
import { type RegistryOptions, readRegistryImage, withDigest } from '../oci/registry-image.ts';
import type { ImageConfig, Manifest } from '../oci/schema.ts';
import { skopeo } from '../oci/skopeo.ts';
import type { BaseImage } from './base-image.ts';

interface Documents {
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly rawManifest: Buffer | undefined;
  readonly rawConfig: Buffer;
}

/** Opens an image by a registry's reference, an archive or an OCI layout; of its layers only the descriptions. */
export async function openOrigin(ctx: BuildContext, origin: string, options: RegistryOptions = {}): Promise<BaseImage> {
  if (await isLocalImage(origin)) {
    const kind = (await stat(origin)).isDirectory() ? 'oci' : 'oci-archive';
    return describe(ctx, origin, await openImage(origin, options.arch), `${kind}:${resolve(origin)}`, undefined);
  }
  const image = await readRegistryImage(ctx, origin, options);
  const registry = withDigest(origin, image.digest);
  return describe(ctx, origin, image, `docker://${registry}`, registry, options);
}

function describe(
  ctx: BuildContext,
  origin: string,
  { digest, manifest, config, rawManifest, rawConfig }: Documents,
  source: string,
  registry: string | undefined,
  options: RegistryOptions = {},
): BaseImage {
  const layers = describeLayers(manifest, config);
  return {
    ...{ origin, digest, rawManifest, rawConfig, config, layers, registry, insecure: options.insecure },
    fetch: async (folder) => {
      const layout = join(folder, 'layers');
      if (registry !== undefined) await shareBlobs(ctx, layout);
      const tls = options.insecure ? ['--src-tls-verify=false'] : [];
      const args = ['copy', '--preserve-digests', ...tls, source, `oci:${layout}:image`];
      await skopeo(ctx, args);
      const stored = await openImage(layout, config.architecture);
      return Promise.all(
        layers.map(async ({ name, ...layer }, index) => {
          const descriptor = stored.manifest.layers[index];
          if (!descriptor) throw new Error(`layer ${index} of ${origin} is gone`);
          return fileLayer(name, { ...layer, path: (await stored.locate(descriptor)).path });
        }),
      );
    },
  };
}

/** skopeo stores into a layout what is not there yet: what the cache keeps is not fetched, and is kept from now on. */
async function shareBlobs({ cacheDir }: BuildContext, layout: string): Promise<void> {
  const blobs = join(cacheDir, 'blobs');
  await mkdir(join(blobs, 'sha256'), { recursive: true });
  await mkdir(layout, { recursive: true });
  await symlink(blobs, join(layout, 'blobs'));
}

/** By whichever name the one who stored a layer uses, as OCI calls it. */
const LAYER_TYPE: Readonly<Record<string, string>> = {
  [DOCKER_MEDIA_TYPES.layerTar]: MEDIA_TYPES.layerTar,
  [DOCKER_MEDIA_TYPES.layerGzip]: MEDIA_TYPES.layerGzip,
};

function describeLayers(manifest: Manifest, config: ImageConfig): Omit<Layer, 'segments'>[] {
  const history = (config.history ?? []).filter((entry) => !entry.empty_layer);
  return manifest.layers.map(({ mediaType, digest, size }, index) => ({
    name: nameOf(history[index]?.created_by) ?? (index === 0 ? 'root' : 'app'),
    mediaType: LAYER_TYPE[mediaType] ?? mediaType,
    digest,
    size,
    diffID: config.rootfs.diff_ids[index] ?? digest,
  }));
}

const NAMES = ['root', 'disk', 'app', 'overlay'] as const satisfies readonly LayerName[];

function nameOf(made: string | undefined): LayerName | undefined {
  const feature = /^virtainers: feature (\S+)$/.exec(made ?? '')?.[1];
  return feature === undefined ? NAMES.find((name) => createdBy(name) === made) : `feature-${feature}`;
}
