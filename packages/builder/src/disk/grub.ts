import { VirtainersError } from '@virtainers/core';
import type { Board } from './board.ts';
import { type Extent, SECTOR } from './partitions.ts';

/** Modules in core.img: what it takes to find the root file system and to start a kernel from it. */
export const CORE_MODULES = [
  'biosdisk',
  'part_gpt',
  'ext2',
  'search_fs_uuid',
  'normal',
  'configfile',
  'linux',
  'gzio',
  'serial',
  'terminal',
  'echo',
  'test',
] as const;

/** boot.img: LBA of core.img's first sector (GRUB, include/grub/i386/pc/boot.h, GRUB_BOOT_MACHINE_KERNEL_SECTOR). */
const KERNEL_SECTOR = 0x5c;
/** boot.img: a jump that, replaced by two no-ops, makes it trust its own drive number (GRUB_BOOT_MACHINE_DRIVE_CHECK). */
const DRIVE_CHECK = 0x66;
/** Where boot.img ends and the disk signature and the protective MBR's table begin (UEFI 2.10, table 5.3). */
const CODE_END = 440;
/** core.img: the first block list, 12 bytes before the end of its first sector (grub_pc_bios_boot_blocklist). */
const BLOCK_LIST = SECTOR - 12;

/** The disk's first sector: GRUB's code before the partition table that is there. Throws where boot.img is none. */
export function patchBootSector(bootImage: Buffer, firstSector: Buffer, coreStart: number): Buffer {
  if (bootImage.length !== SECTOR || bootImage.readUInt16LE(510) !== 0xaa55) throw notGrub('boot.img');
  const sector = Buffer.from(firstSector.subarray(0, SECTOR));
  bootImage.copy(sector, 0, 0, CODE_END);
  sector.writeBigUInt64LE(BigInt(coreStart), KERNEL_SECTOR);
  sector.writeUInt16LE(0x9090, DRIVE_CHECK);
  return sector;
}

/** core.img, made to lie at sector 1, told where it lies. Throws where it is none or does not fit into `where`. */
export function patchCoreImage(coreImage: Buffer, where: Extent): Buffer {
  const sectors = Math.ceil(coreImage.length / SECTOR);
  if (sectors < 2 || coreImage.readBigUInt64LE(BLOCK_LIST) !== 2n) throw notGrub('core.img');
  if (sectors > where.size) {
    throw new VirtainersError('ROOT_INVALID', `placing core.img: ${sectors} sectors do not fit into ${where.size}`);
  }
  const patched = Buffer.alloc(sectors * SECTOR);
  coreImage.copy(patched);
  patched.writeBigUInt64LE(BigInt(where.start + 1), BLOCK_LIST);
  return patched;
}

/** Run by core.img before anything is read from the disk. */
export function coreConfig(rootUuid: string): string {
  return `search.fs_uuid ${rootUuid} root\nset prefix=($root)/boot/grub\n`;
}

/** EFI/debian/grub.cfg, where Debian's GRUB for UEFI begins: all else is on the root file system. */
export function espConfig(rootUuid: string): string {
  return `${coreConfig(rootUuid)}configfile $prefix/grub.cfg\n`;
}

const SERIAL = ['serial --unit=0 --speed=115200', 'terminal_input console serial', 'terminal_output console serial'];

/** The first /boot/grub/grub.cfg. The links in / follow the newest kernel; update-grub in the guest replaces this file. */
export function grubConfig(
  title: string,
  rootUuid: string,
  kernelArguments: readonly string[],
  { grubSerial }: Pick<Board, 'grubSerial'>,
): string {
  return `${[
    ...(grubSerial ? SERIAL : []),
    'set default=0',
    'set timeout=0',
    `menuentry "${title.replace(/["\\$`]/g, '')}" {`,
    `  search --no-floppy --fs-uuid --set=root ${rootUuid}`,
    `  linux /vmlinuz root=UUID=${rootUuid} ro ${kernelArguments.join(' ')}`,
    '  initrd /initrd.img',
    '}',
  ].join('\n')}\n`;
}

/** /etc/default/grub: what update-grub in the guest needs to come to the same. */
export function grubDefaults(kernelArguments: readonly string[], { grubSerial }: Pick<Board, 'grubSerial'>): string {
  return `${[
    'GRUB_DEFAULT=0',
    'GRUB_TIMEOUT=0',
    'GRUB_DISTRIBUTOR=Debian',
    'GRUB_CMDLINE_LINUX_DEFAULT=""',
    `GRUB_CMDLINE_LINUX="${kernelArguments.join(' ')}"`,
    ...(grubSerial
      ? ['GRUB_TERMINAL="console serial"', 'GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"']
      : ['GRUB_TERMINAL=console']),
    'GRUB_DISABLE_OS_PROBER=true',
  ].join('\n')}\n`;
}

function notGrub(file: string): VirtainersError {
  return new VirtainersError('ROOT_INVALID', `reading ${file} of the tool root: not what GRUB 2.12 makes`);
}
