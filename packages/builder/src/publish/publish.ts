import {
  type ChainLink,
  checkOverlayHeader,
  type Digest,
  describeOverlay,
  formatSize,
  IN_IMAGE,
  overlayPaths,
  QEMU_GID,
  QEMU_UID,
  readQcow2Header,
  VirtainersError,
} from '@virtainers/core';
import { workingIn } from '../cache-lock.ts';
import type { BuildContext } from '../context.ts';
import { hostQemuTool } from '../disk/qemu-tool.ts';
import type { NamedImage } from '../oci/archive.ts';
import { encode } from '../oci/image.ts';
import { digestedLayer, type Layer, planLayer } from '../oci/layer.ts';
import { parseReference } from '../oci/reference.ts';
import { digestSegments } from '../oci/segments.ts';
import { checkEpoch } from '../oci/tar.ts';
import { writeArchiveFile } from '../sink/archive-file.ts';
import type { SinkResult } from '../sink/sink.ts';
import { type BaseImage, type BaseWanted, findBaseImage, OVERLAYS_LABEL } from './base-image.ts';
import { composeImage } from './compose.ts';
import { type Fold, foldOnto } from './flatten.ts';
import { type PackedDisk, packOverlay } from './overlay-file.ts';
import { pushOnto } from './push.ts';

export interface PublishRequest {
  /** The overlay, which nobody writes meanwhile. */
  readonly overlay: string;
  /** What it was made on, the base disk first, by its sidecar. */
  readonly chain: readonly ChainLink[];
  /** Where the image that it was made from may be, as in BaseWanted. */
  readonly references: readonly string[];
  readonly save?: BaseWanted['save'];
  /** What the new image is called, and where it is sent unless `output` is given. */
  readonly reference: string;
  /** An archive to write instead. */
  readonly output?: string | undefined;
  /** One disk that stands alone instead of one more layer. */
  readonly fold?: Fold | undefined;
  readonly message?: string | undefined;
  readonly insecure?: boolean | undefined;
}

export interface PublishResult {
  readonly reference: string;
  /** Of the manifest. */
  readonly digest: Digest;
  /** Of the image that it was made from. */
  readonly base: Digest;
  /** What is new: the overlay, or with `fold` the disk. */
  readonly disk: { readonly sha256: Digest; readonly size: number; readonly virtualSize: number };
  readonly sink: SinkResult;
}

/**
 * Publishes an overlay as one more layer on the image that it was made from. The same overlay gives the same digest.
 * DISK_REFUSED for one whose header names anything but its chain; BASE_MISMATCH where its image is not found.
 */
export async function publish(ctx: BuildContext, request: PublishRequest): Promise<PublishResult> {
  const reference = parseReference(request.reference);
  await checkOverlay(request);
  return workingIn(ctx, 'publish', async (folder) => {
    const base = await findBaseImage(ctx, request, folder, request);
    const { layers, disk, labels } = request.fold
      ? await foldOnto(ctx, base, request, request.fold, folder)
      : await addOverlay(ctx, base, request, folder);
    const created = checkEpoch(ctx.sourceDateEpoch);
    const image = composeImage(base.rawConfig, layers, { created, message: request.message, labels });
    const named = { image, references: [reference], arch: base.config.architecture, mtime: created };
    const sink = await deliver(ctx, base, named, request, folder);
    return { reference, digest: image.digest, base: base.digest, disk, sink };
  });
}

/** Before any program opens it. */
async function checkOverlay({ overlay, chain }: PublishRequest): Promise<void> {
  const header = await readQcow2Header(overlay);
  if (!header) throw new VirtainersError('DISK_REFUSED', `opening ${overlay}: not a qcow2 disk of a known version`);
  checkOverlayHeader(header, chain.at(-1)?.path, overlay);
  if (chain.length > 0 && chain.every(({ seen }) => seen === undefined)) return;
  const what = chain.length === 0 ? 'it stands alone' : 'its base was mounted at /image and lies in no image';
  throw new VirtainersError('DISK_REFUSED', `publishing ${overlay}: ${what}`, {
    hint: 'make an image of the disk that it needs, or of itself where it stands alone: virtainers bake FILE',
  });
}

async function addOverlay(ctx: BuildContext, base: BaseImage, request: PublishRequest, folder: string) {
  const { overlay, chain } = request;
  const published = chain.slice(1).map(({ sha256 }) => sha256);
  const below = { ...(chain.at(-1) as ChainLink), path: pathInImage(published.length) };
  ctx.onEvent({ type: 'start', step: 'disk', title: `packing ${overlay}` });
  const { virtualSize: total } = below;
  const disk = await packOverlay(await hostQemuTool(ctx.exec, ctx.spawn), overlay, below, folder, {
    signal: ctx.signal,
    onProgress: (part) => ctx.onEvent({ type: 'progress', step: 'disk', done: Math.round(part * total), total }),
  });
  ctx.onEvent({ type: 'end', step: 'disk', note: formatSize(disk.size), cached: false });
  const layer = await overlayLayer(ctx, disk, below.sha256, published.length + 1);
  const labels = { [OVERLAYS_LABEL]: [...published, disk.sha256].join(',') };
  return { layers: [...base.layers.map((each): Layer => ({ ...each, segments: [] })), layer], disk, labels };
}

/** Where the disk under the next overlay lies, `overlays` being there already. */
function pathInImage(overlays: number): string {
  return overlays === 0 ? IN_IMAGE.disk : overlayPaths(overlays).disk;
}

async function overlayLayer(ctx: BuildContext, disk: PackedDisk, on: Digest, number: number): Promise<Layer> {
  const { path, sha256, size, virtualSize } = disk;
  const paths = overlayPaths(number);
  const owner = { uid: QEMU_UID, gid: QEMU_GID };
  const description = encode(describeOverlay({ sha256, size, virtualSize, on }));
  const entries = [
    { path: IN_IMAGE.overlays.slice(1), mode: 0o755, ...owner },
    { path: paths.disk.slice(1), mode: 0o444, ...owner, content: [{ path, size, digest: sha256 }] },
    { path: paths.description.slice(1), mode: 0o444, ...owner, content: [description] },
  ];
  const plan = await planLayer('overlay', entries, ctx.sourceDateEpoch);
  return digestedLayer(plan, await digestSegments(plan.segments, { signal: ctx.signal }));
}

async function deliver(
  ctx: BuildContext,
  base: BaseImage,
  named: NamedImage,
  { output, reference, insecure }: PublishRequest,
  folder: string,
): Promise<SinkResult> {
  if (output === undefined) return pushOnto(ctx, base, parseReference(reference), named, { insecure });
  const fetched = await base.fetch(folder);
  const layers = named.image.layers.map((layer) => {
    return layer.segments.length > 0 ? layer : (fetched.find(({ digest }) => digest === layer.digest) ?? layer);
  });
  const whole = { ...named, image: { ...named.image, layers } };
  return (await writeArchiveFile(ctx, output, [{ plans: layers, name: () => whole }])).result;
}
