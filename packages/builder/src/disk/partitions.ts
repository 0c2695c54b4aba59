import { createHash } from 'node:crypto';

/** Bytes of a sector, as GPT and the BIOS count (UEFI 2.10, section 5.3). */
export const SECTOR = 512;
const MIB_SECTORS = 2048;
/** The backup table: 32 sectors of entries and the header in the disk's last one. */
const BACKUP_SECTORS = 33;
/** What the firmware boots from. The numbers are those of Debian's cloud images. */
const BOOT = {
  bios: { number: 14, size: MIB_SECTORS, type: '21686148-6449-6E6F-744E-656564454649' },
  /** FAT32 has 65525 clusters at least; these are of one sector each. */
  uefi: { number: 15, size: 64 * MIB_SECTORS, type: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B' },
} as const;
const LINUX_FILESYSTEM = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';

export interface Extent {
  /** In sectors. */
  readonly start: number;
  readonly size: number;
}

/** Where things lie on a disk whose root file system can grow: the root comes last. */
export interface PartitionPlan {
  readonly diskId: string;
  /** Where core.img goes, or the EFI system partition. */
  readonly boot: Extent;
  readonly root: Extent;
  /** What sfdisk(8) reads. The root is partition 1. */
  readonly script: string;
}

/** For a disk of `virtualSize` bytes (whole MiB); `seed` decides the GUIDs. */
export function planPartitions(virtualSize: number, seed: string, firmware: 'bios' | 'uefi' = 'bios'): PartitionPlan {
  const sectors = virtualSize / SECTOR;
  const { number, type, size } = BOOT[firmware];
  const boot = { start: MIB_SECTORS, size };
  const rootStart = boot.start + boot.size;
  const rootEnd = Math.floor((sectors - BACKUP_SECTORS) / MIB_SECTORS) * MIB_SECTORS;
  const root = { start: rootStart, size: rootEnd - rootStart };
  const diskId = stableUuid(`${seed} disk`);
  const script = [
    'label: gpt',
    `label-id: ${diskId}`,
    'unit: sectors',
    `1 : start=${root.start}, size=${root.size}, type=${LINUX_FILESYSTEM}, uuid=${stableUuid(`${seed} root`)}`,
    `${number} : start=${boot.start}, size=${boot.size}, type=${type}, uuid=${stableUuid(`${seed} ${firmware}`)}`,
    '',
  ].join('\n');
  return { diskId, boot, root, script };
}

/** A UUID made of a hash, in the form of a random one (RFC 9562, version 8). */
export function stableUuid(seed: string): string {
  const bytes = createHash('sha256').update(seed).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
