import { createHash } from 'node:crypto';

/** Bytes of a sector, as GPT and the BIOS count (UEFI 2.10, section 5.3). */
export const SECTOR = 512;
const MIB_SECTORS = 2048;
/** The backup table: 32 sectors of entries and the header in the disk's last one. */
const BACKUP_SECTORS = 33;
const BIOS_BOOT = '21686148-6449-6E6F-744E-656564454649';
const LINUX_FILESYSTEM = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';

export interface Extent {
  /** In sectors. */
  readonly start: number;
  readonly size: number;
}

/** Where things lie on a disk that boots from the BIOS and whose root file system can grow: the root comes last. */
export interface PartitionPlan {
  readonly diskId: string;
  readonly bios: Extent;
  readonly root: Extent;
  /** What sfdisk(8) reads. The numbers are those of Debian's cloud images: the root is partition 1. */
  readonly script: string;
}

/** For a disk of `virtualSize` bytes (whole MiB); `seed` decides the GUIDs. */
export function planPartitions(virtualSize: number, seed: string): PartitionPlan {
  const sectors = virtualSize / SECTOR;
  const bios = { start: MIB_SECTORS, size: MIB_SECTORS };
  const rootStart = bios.start + bios.size;
  const rootEnd = Math.floor((sectors - BACKUP_SECTORS) / MIB_SECTORS) * MIB_SECTORS;
  const root = { start: rootStart, size: rootEnd - rootStart };
  const diskId = stableUuid(`${seed} disk`);
  const script = [
    'label: gpt',
    `label-id: ${diskId}`,
    'unit: sectors',
    `1 : start=${root.start}, size=${root.size}, type=${LINUX_FILESYSTEM}, uuid=${stableUuid(`${seed} root`)}`,
    `14 : start=${bios.start}, size=${bios.size}, type=${BIOS_BOOT}, uuid=${stableUuid(`${seed} bios`)}`,
    '',
  ].join('\n');
  return { diskId, bios, root, script };
}

/** A UUID made of a hash, in the form of a random one (RFC 9562, version 8). */
export function stableUuid(seed: string): string {
  const bytes = createHash('sha256').update(seed).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
