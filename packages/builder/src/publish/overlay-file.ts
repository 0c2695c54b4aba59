import { stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainLink, chainName, type Digest, digestFile, readQcow2Header, VirtainersError } from '@virtainers/core';
import { type ConvertOptions, convertChain, convertWith } from '../disk/convert.ts';
import type { QemuTool } from '../disk/qemu-tool.ts';

/** One disk file, made here. */
export interface PackedDisk {
  readonly path: string;
  readonly sha256: Digest;
  readonly size: number;
  readonly virtualSize: number;
}

/** The target's clusters, where the overlay does not keep track of smaller ones. */
const CLUSTER = 64 * 1024;

/**
 * Writes what `overlay` alone holds into `folder`: without zeros, in the guest's order, so that the same overlay gives the same
 * bytes. What it lies on is neither read nor needed: a hole stands in its place. The header names `below.path`. The overlay's
 * own header must have been checked.
 *
 * Nothing of the hole may reach the result, where it would hide what is below. QEMU takes from the overlay's base what a written
 * cluster has beyond the overlay's own, so clusters are as small as those; and compressing, it writes what is shorter than a cluster
 * as one (qemu-img.c, convert_iteration_sectors), so the hole ends at no place within one, and a disk that does is not compressed.
 */
export async function packOverlay(
  qemu: QemuTool,
  overlay: string,
  below: Pick<ChainLink, 'path'>,
  folder: string,
  options: ConvertOptions = {},
): Promise<PackedDisk> {
  const [hole, path] = [join(folder, 'hole.raw'), join(folder, 'overlay.qcow2')];
  const header = await readQcow2Header(overlay);
  if (!header) throw new Error(`${overlay} is no qcow2`);
  const [clusterSize, size] = [Math.min(CLUSTER, header.granularity), Number(header.virtualSize)];
  await writeFile(hole, '');
  await truncate(hole, Math.ceil(size / CLUSTER) * CLUSTER);
  const from = chainName({ path: overlay, format: 'qcow2' }, [{ path: hole, format: 'raw' }]);
  const words = ['-B', hole, '-F', 'raw'];
  await convertWith(qemu, words, from, path, { ...options, clusterSize, compress: size % clusterSize === 0 });
  await nameBacking(qemu, path, below.path);
  return describePacked(path);
}

/** Writes the whole of a chain, the top first, as one disk that stands alone. */
export async function flattenChain(
  qemu: QemuTool,
  chain: readonly string[],
  folder: string,
  options: ConvertOptions = {},
): Promise<PackedDisk> {
  const path = join(folder, 'disk.qcow2');
  await convertChain(qemu, chain, path, options);
  return describePacked(path);
}

/** Folds `overlays`, bottom first, into `base`, in place; both are changed. What was replaced in it stays behind as dead bytes. */
export async function commitChain(
  qemu: QemuTool,
  base: string,
  overlays: readonly string[],
  signal?: AbortSignal,
): Promise<PackedDisk> {
  const file = (path: string) => ({ path, format: 'qcow2' as const });
  for (const overlay of overlays) {
    const args = ['commit', '-q', '-d', chainName(file(overlay), [file(base)])];
    const { exitCode, stderr } = await qemu.run(args, { memory: 4 * 1024 ** 3 }, signal);
    if (exitCode !== 0)
      throw new VirtainersError('COMMAND_FAILED', `folding ${overlay} into its base: ${stderr.trim()}`);
  }
  return describePacked(base);
}

/** Only the header is changed; nothing is opened by the name. */
async function nameBacking(qemu: QemuTool, path: string, backing: string): Promise<void> {
  const args = ['rebase', '-q', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', backing, path];
  const { exitCode, stderr } = await qemu.run(args, { memory: 1024 ** 3, cpuSeconds: 60, timeoutMs: 120_000 });
  if (exitCode !== 0) throw new VirtainersError('COMMAND_FAILED', `naming the base of ${path}: ${stderr.trim()}`);
}

/** A finished disk file, hashed. */
export async function describePacked(path: string): Promise<PackedDisk> {
  const [sha256, { size }, header] = await Promise.all([digestFile(path), stat(path), readQcow2Header(path)]);
  return { path, sha256, size, virtualSize: Number(header?.virtualSize ?? 0) };
}
