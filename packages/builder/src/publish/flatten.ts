import { join } from 'node:path';
import { type ChainLink, checkChain, formatSize } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { hostQemuTool, type QemuTool } from '../disk/qemu-tool.ts';
import { planDiskLayer } from '../oci/guest-layers.ts';
import { digestedLayer, type Layer } from '../oci/layer.ts';
import { digestSegments } from '../oci/segments.ts';
import { type BaseImage, OVERLAYS_LABEL } from './base-image.ts';
import { type ImageDisks, takeDisks } from './image-disks.ts';
import { commitChain, flattenChain, type PackedDisk, packOverlay } from './overlay-file.ts';

/** Writes the whole disk anew, or adds to the base's bytes: faster, and larger. */
export type Fold = 'flatten' | 'commit';

/**
 * Makes one disk that stands alone of base, published overlays and `overlay`, in the place of the base's: the result is an
 * image as a bake makes it.
 */
export async function foldOnto(
  ctx: BuildContext,
  base: BaseImage,
  { overlay, chain }: { readonly overlay: string; readonly chain: readonly ChainLink[] },
  fold: Fold,
  folder: string,
): Promise<{ layers: readonly Layer[]; disk: PackedDisk; labels: Record<string, string | undefined> }> {
  const taken = await takeDisks(ctx, base, join(folder, 'taken'));
  checkChain({ chain: [...chain], reference: base.origin }, taken.chain, overlay);
  ctx.onEvent({ type: 'start', step: 'disk', title: `one disk of ${overlay} and its base` });
  const qemu = await hostQemuTool(ctx.exec, ctx.spawn);
  const disk = await FOLDS[fold](qemu, taken, overlay, folder, ctx.signal);
  ctx.onEvent({ type: 'end', step: 'disk', note: formatSize(disk.size), cached: false });
  const { sha256, size, virtualSize } = disk;
  const machine = { ...taken.machine, disk: { format: 'qcow2' as const, sha256, size, virtualSize } };
  const plan = await planDiskLayer(machine, disk, ctx.sourceDateEpoch);
  const layer = digestedLayer(plan, await digestSegments(plan.segments, { signal: ctx.signal }));
  const layers = base.layers.filter(({ name }) => name !== 'overlay');
  return {
    layers: layers.map((each) => (each.name === 'disk' ? layer : { ...each, segments: [] })),
    disk,
    labels: {
      [OVERLAYS_LABEL]: undefined,
      'io.virtainers.disk.sha256': sha256,
      'io.virtainers.disk.size': String(size),
      'io.virtainers.disk.virtual-size': String(virtualSize),
      'io.virtainers.qemu-img': qemu.version,
    },
  };
}

const FOLDS: Record<
  Fold,
  (qemu: QemuTool, taken: ImageDisks, overlay: string, folder: string, signal?: AbortSignal) => Promise<PackedDisk>
> = {
  flatten: (qemu, { files }, overlay, folder, signal) =>
    flattenChain(qemu, [overlay, ...files.toReversed()], folder, { signal }),
  async commit(qemu, { files: [base = '', ...published], chain }, overlay, folder, signal) {
    // QEMU opens the overlay for writing: a copy of it.
    const copy = await packOverlay(qemu, overlay, chain.at(-1) as ChainLink, folder, { signal });
    return commitChain(qemu, base, [...published, copy.path], signal);
  },
};
