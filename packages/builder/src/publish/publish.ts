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
import { type InsecureRegistries, isInsecure, parseReference } from '../oci/reference.ts';
import { digestSegments } from '../oci/segments.ts';
import { checkEpoch } from '../oci/tar.ts';
import { type Cleaning, cleanOverlay } from '../scrub/clean-overlay.ts';
import type { Overlaid } from '../scrub/picture.ts';
import type { Secret } from '../scrub/secrets.ts';
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
  /** Takes out what only this machine may have: by default of what is sent somewhere, not of an archive. */
  readonly scrub?: boolean | undefined;
  readonly insecure?: InsecureRegistries | undefined;
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
  /** What was taken out, and which secrets are left: paths in the guest. */
  readonly scrubbed: readonly string[];
  readonly secrets: readonly Secret[];
}

/**
 * Publishes an overlay as one more layer on the image that it was made from. The same overlay gives the same digest.
 * DISK_REFUSED for one whose header names anything but its chain; BASE_MISMATCH where its image is not found; SCRUB_IMPOSSIBLE.
 */
export async function publish(ctx: BuildContext, request: PublishRequest): Promise<PublishResult> {
  const reference = parseReference(request.reference);
  await checkOverlay(request);
  return workingIn(ctx, 'publish', async (folder) => {
    const base = fetchedOnce(await findBaseImage(ctx, request, folder), folder);
    const clean = await cleanOverlay(ctx, base, request, { cleaning: cleaningOf(request), folder, reference });
    const { layers, disk, labels } = request.fold
      ? await foldOnto(ctx, base, clean, request.fold, folder)
      : await addOverlay(ctx, base, clean, folder);
    const created = checkEpoch(ctx.sourceDateEpoch);
    const image = composeImage(base.rawConfig, layers, { created, message: request.message, labels });
    const named = { image, references: [reference], arch: base.config.architecture, mtime: created };
    const sink = await deliver(ctx, base, named, request, folder);
    const { scrubbed, secrets } = clean;
    return { reference, digest: image.digest, base: base.digest, disk, sink, scrubbed, secrets };
  });
}

/** What is sent somewhere is scrubbed, what is kept in a file is looked into, unless something else was asked for. */
function cleaningOf({ scrub, output }: PublishRequest): Cleaning {
  if (scrub === undefined) return output === undefined ? 'scrub' : 'look';
  return scrub ? 'scrub' : 'nothing';
}

/** Several steps may need the layers: they lie in `folder`. */
function fetchedOnce(base: BaseImage, folder: string): BaseImage {
  let layers: ReturnType<BaseImage['fetch']> | undefined;
  return {
    ...base,
    fetch: () => {
      layers ??= base.fetch(folder);
      return layers;
    },
  };
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

async function addOverlay(ctx: BuildContext, base: BaseImage, { overlay, chain }: Overlaid, folder: string) {
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
  if (output === undefined) {
    return pushOnto(ctx, base, parseReference(reference), named, { insecure: isInsecure(reference, insecure) });
  }
  const fetched = await base.fetch(folder);
  const layers = named.image.layers.map((layer) => {
    return layer.segments.length > 0 ? layer : (fetched.find(({ digest }) => digest === layer.digest) ?? layer);
  });
  const whole = { ...named, image: { ...named.image, layers } };
  // It holds what a guest wrote; whoever made it says who else may read it.
  return (await writeArchiveFile(ctx, output, [{ plans: layers, name: () => whole }], 0o600)).result;
}
