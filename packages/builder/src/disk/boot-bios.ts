import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAll } from '@virtainers/core';
import type { TarFile } from '../root/canonical-tar.ts';
import type { ToolRoot } from '../root/tool-root.ts';
import { CORE_MODULES, coreConfig, patchBootSector, patchCoreImage } from './grub.ts';
import { type Extent, SECTOR } from './partitions.ts';

const MODULES = 'usr/lib/grub/i386-pc';
const FILES = /\.(mod|lst)$/;
const IN_ROOT = 'boot/grub/i386-pc';

/** Where they go. */
export const BIOS_GRUB_FOLDER: TarFile = { path: IN_ROOT, type: 'directory' };

/** GRUB's modules are those of the tool root, as core.img is: they must be of one version. */
export async function biosGrubFiles(tools: ToolRoot): Promise<TarFile[]> {
  const folder = join(tools.path, MODULES);
  const names = (await readdir(folder)).filter((name) => FILES.test(name));
  const files = names.map(async (name) => ({
    path: `${IN_ROOT}/${name}`,
    content: await readFile(join(folder, name)),
  }));
  return [BIOS_GRUB_FOLDER, ...(await Promise.all(files))];
}

/** Writes GRUB before the partition table of a raw disk and into its BIOS boot partition. */
export async function installBiosGrub(
  tools: ToolRoot,
  { raw, where, rootUuid, folder }: { raw: string; where: Extent; rootUuid: string; folder: string },
): Promise<void> {
  const modules = join(tools.path, MODULES);
  const config = join(folder, 'core.cfg');
  const core = join(folder, 'core.img');
  await writeFile(config, coreConfig(rootUuid));
  const format = ['-O', 'i386-pc', '-d', modules, '-p', '/boot/grub'];
  await tools.exec('grub-mkimage', [...format, '-c', config, '-o', core, ...CORE_MODULES]);
  const handle = await open(raw, 'r+');
  try {
    const first = Buffer.alloc(SECTOR);
    await handle.read(first, 0, SECTOR, 0);
    const boot = patchBootSector(await readFile(join(modules, 'boot.img')), first, where.start);
    const image = patchCoreImage(await readFile(core), where);
    await writeAll(handle, boot, 0);
    await writeAll(handle, image, where.start * SECTOR);
  } finally {
    await handle.close();
  }
  await Promise.all([rm(config), rm(core)]);
}
