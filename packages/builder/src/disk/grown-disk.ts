import { constants } from 'node:fs';
import { copyFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile, formatSize } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { cachedFolder, cacheKey } from '../root/content-cache.ts';
import { growDisk } from './convert.ts';
import type { PackageDisk } from './package-disk.ts';
import type { QemuTool } from './qemu-tool.ts';

/** Raise it when how a disk grows changes. */
const RECIPE = 1;

/** A copy of `disk` that the guest sees as `size` bytes; its own tools take the room at their first boot. ARGUMENTS_BAD where it would shrink. */
export async function growPackageDisk(
  ctx: BuildContext,
  disk: PackageDisk,
  qemu: QemuTool,
  size: number,
): Promise<PackageDisk> {
  const key = cacheKey({ recipe: RECIPE, disk: disk.sha256, qemu: qemu.identity, size });
  ctx.onEvent({ type: 'start', step: 'size', title: 'a larger disk' });
  const { folder, result, cached } = await cachedFolder(ctx, 'disks', key, 'a larger disk', async (temp) => {
    const path = join(temp, 'disk.qcow2');
    await copyFile(disk.path, path, constants.COPYFILE_FICLONE);
    await growDisk(qemu, path, disk.virtualSize, size);
    return { sha256: await digestFile(path), size: (await stat(path)).size, virtualSize: size };
  });
  ctx.onEvent({ type: 'end', step: 'size', note: `${formatSize(size)} to the guest`, cached });
  return { ...disk, ...result, path: join(folder, 'disk.qcow2') };
}
