import { createReadStream } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Architecture, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { tarFile } from '../root/canonical-tar.ts';
import type { ToolRoot } from '../root/tool-root.ts';
import { espConfig } from './grub.ts';
import { type Extent, SECTOR, stableUuid } from './partitions.ts';

/** Debian's own image of GRUB with its modules, which reads /EFI/debian/grub.cfg wherever it was started; and its place on removable media (UEFI 2.10, 3.5.1.1). */
const GRUB: Readonly<Record<Architecture, { image: string; place: string }>> = {
  amd64: { image: 'usr/lib/grub/x86_64-efi/monolithic/grubx64.efi', place: 'EFI/BOOT/BOOTX64.EFI' },
  arm64: { image: 'usr/lib/grub/arm64-efi/monolithic/grubaa64.efi', place: 'EFI/BOOT/BOOTAA64.EFI' },
};

export interface EspPlan {
  readonly raw: string;
  readonly where: Extent;
  readonly rootUuid: string;
  /** The root's tar, which holds GRUB. */
  readonly tar: string;
  readonly arch: Architecture;
  /** For files on the way. */
  readonly folder: string;
}

/** The ESP's volume id, as /etc/fstab names it: `1A2B-3C4D`. */
export function espId(rootUuid: string): string {
  const hex = stableUuid(`${rootUuid} esp`).slice(0, 8).toUpperCase();
  return `${hex.slice(0, 4)}-${hex.slice(4)}`;
}

/** Makes the EFI system partition of a raw disk with mtools(1): no mount, and no time but SOURCE_DATE_EPOCH. */
export async function fillEsp(ctx: BuildContext, tools: ToolRoot, plan: EspPlan): Promise<void> {
  const { image, place } = GRUB[plan.arch];
  const grub = await tarFile(createReadStream(plan.tar, { highWaterMark: 1 << 20 }), image);
  if (!grub) throw new VirtainersError('DEFINITION_INVALID', `making a disk for ${plan.arch}: no package has ${image}`);
  const files = { [place]: grub, 'EFI/debian/grub.cfg': espConfig(plan.rootUuid) };
  const disk = `${plan.raw}@@${plan.where.start * SECTOR}`;
  const env = { MTOOLSRC: '/dev/null', SOURCE_DATE_EPOCH: String(ctx.sourceDateEpoch) };
  const mtool = (name: string, ...args: string[]) =>
    tools.exec(name, ['-i', disk, ...args], { env, signal: ctx.signal });
  await mtool('mformat', ...mformatArguments(plan));
  await mtool('mmd', ...['EFI', 'EFI/BOOT', 'EFI/debian'].map((folder) => `::${folder}`));
  const folder = join(plan.folder, 'esp');
  await mkdir(folder);
  for (const [path, content] of Object.entries(files)) {
    const from = join(folder, 'file');
    await writeFile(from, content);
    await mtool('mcopy', from, `::${path}`);
  }
  await rm(folder, { recursive: true });
}

/** mformat(1): FAT32 with clusters of one sector, in the geometry that every tool takes for a disk. */
export function mformatArguments({ where, rootUuid }: Pick<EspPlan, 'where' | 'rootUuid'>): string[] {
  const serial = espId(rootUuid).replace('-', '');
  return [
    '-F',
    '-c',
    '1',
    '-T',
    String(where.size),
    '-h',
    '255',
    '-s',
    '63',
    '-H',
    String(where.start),
    '-N',
    serial,
    '-v',
    'EFI',
    '::',
  ];
}
