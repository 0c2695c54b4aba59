import { VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { withCacheFolder } from '../work-folder.ts';
import { keepLayer, keptLayer } from './kept-layer.ts';
import type { Layer } from './layer.ts';
import { isLocalImage } from './local-image.ts';
import { openImage, type StoredImage } from './read-layout.ts';
import { type RegistryOptions, readRegistryImage, withDigest } from './registry-image.ts';
import type { ImageConfig, Manifest } from './schema.ts';
import { skopeo } from './skopeo.ts';

/** Names the runtime root of an image: the diffID of its bottom layer. */
export const ROOT_LABEL = 'io.virtainers.root';

/**
 * Takes the runtime root of a published virtainer: an archive, an unpacked layout or a registry's reference. ROOT_INVALID,
 * DIGEST_MISMATCH, SOURCE_UNAVAILABLE for a file that is not there.
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
  const known = await keptLayer(ctx, 'root', {}, descriptor, diffID);
  if (known) return { layer: known, cached: true };
  return withCacheFolder(ctx, 'tmp', 'root', async (folder) => {
    const tls = options.insecure ? ['--src-tls-verify=false'] : [];
    const from = `docker://${withDigest(reference, image.digest)}`;
    await skopeo(ctx, ['copy', '--preserve-digests', ...tls, from, `oci:${folder}:image`]);
    return rootOf(ctx, reference, await openImage(folder, options.arch), options);
  });
}

async function rootOf(ctx: BuildContext, origin: string, image: StoredImage, options: RegistryOptions): Promise<Found> {
  const { descriptor, diffID } = describeRoot(origin, image, options);
  const known = await keptLayer(ctx, 'root', image, descriptor, diffID);
  if (known) return { layer: known, cached: true };
  return { layer: await keepLayer(ctx, 'root', image, descriptor, diffID), cached: false };
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
  return { descriptor, diffID };
}

function rootInvalid(origin: string, reason: string): VirtainersError {
  return new VirtainersError('ROOT_INVALID', `taking the runtime root of ${origin}: ${reason}`, {
    hint: 'give an image that `virtainers bake` made',
  });
}
