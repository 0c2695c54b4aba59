import { open } from 'node:fs/promises';
import { VirtainersError } from './errors.ts';
import { parseQcow2Header, type Qcow2Header } from './qcow2.ts';

/** QEMU's names of the formats that a disk may have. */
export type DiskFormat = 'qcow2' | 'raw' | 'vmdk' | 'vhdx' | 'vdi';

export interface DiskHeader {
  readonly format: DiskFormat;
  /** What the guest sees, in bytes; undefined for vhdx, which says it far from its first bytes. */
  readonly virtualSize: bigint | undefined;
}

/** How much of a file's beginning is read. */
const HEAD = 65536;
const SECTOR = 512;
/** At byte 64 (QEMU, block/vdi.c). */
const VDI = 0xbeda107f;

/**
 * Reads what a disk is from its first bytes, so that QEMU opens nothing on the word of a file that someone else made:
 * a disk that needs another file (a backing file, a parent, an external data file or extent) could name any file of
 * whoever opens it. Such a one, an encrypted, a broken, a packed one and one of no known kind is refused: DISK_REFUSED.
 */
export async function readDiskHeader(path: string): Promise<DiskHeader> {
  const handle = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(HEAD);
    const { bytesRead } = await handle.read(buffer, 0, HEAD, 0);
    return parseDiskHeader(buffer.subarray(0, bytesRead), (await handle.stat()).size, path);
  } finally {
    await handle.close();
  }
}

/** `head`: the first 64 KiB, or the whole file when it is smaller; `where` is named in the error. */
export function parseDiskHeader(head: Buffer, fileSize: number, where: string): DiskHeader {
  const starts = (text: string, offset = 0) => head.toString('latin1', offset, offset + text.length) === text;
  if (starts('QFI\xfb')) return qcow2(head, where);
  if (starts('KDMV')) return vmdk(head, where);
  if (starts('vhdxfile')) return { format: 'vhdx', virtualSize: undefined };
  if (head.length >= 456 && head.readUInt32LE(64) === VDI) return vdi(head, where);
  const other = FOREIGN.find(([magic]) => starts(magic));
  if (other) throw refused(where, other[1], other[2]);
  return raw(head, fileSize, where);
}

const UNPACK = 'unpack it first, or bake it: virtainers bake takes it as it is';
const CONVERT = 'convert it: qemu-img convert -O qcow2 FILE disk.qcow2';

const FOREIGN: readonly (readonly [string, string, string])[] = [
  ['\xfd7zXZ\0', 'it is packed with xz', UNPACK],
  ['\x1f\x8b', 'it is packed with gzip', UNPACK],
  ['\x28\xb5\x2f\xfd', 'it is packed with zstd', UNPACK],
  ['BZh', 'it is packed with bzip2', UNPACK],
  ['PK\x03\x04', 'it is a zip archive', UNPACK],
  ['# Disk DescriptorFile', 'it is a VMDK descriptor, which names other files', CONVERT],
  ['COWD', 'it is a VMDK of ESX, which this version does not read', CONVERT],
  ['conectix', 'it is a VHD, which this version does not read', CONVERT],
  ['LUKS\xba\xbe', 'it is encrypted', 'decrypt it first'],
];

/** A disk that need not boot: what a guest keeps its data on. */
export interface DataDisk {
  readonly format: 'qcow2' | 'raw';
  /** What the guest sees, in bytes. */
  readonly virtualSize: number;
}

/**
 * The same for a disk that need not boot, where anything may stand in the first bytes of a raw one, encrypted data too: only
 * what would be meant for another format is refused. DISK_REFUSED.
 */
export function parseDataDisk(head: Buffer, fileSize: number, where: string): DataDisk {
  if (fileSize === 0) throw refused(where, 'it is empty', 'make a disk: qemu-img create -f qcow2 FILE 10G');
  const starts = (text: string) => head.toString('latin1', 0, text.length) === text;
  if (starts('QFI\xfb')) return { format: 'qcow2', virtualSize: Number(qcow2(head, where).virtualSize) };
  const other = DISKS.find(([magic]) => starts(magic));
  if (other) throw refused(where, other[1], CONVERT);
  if (head.length >= 456 && head.readUInt32LE(64) === VDI) throw refused(where, 'it is a VDI disk', CONVERT);
  return { format: 'raw', virtualSize: wholeSectors(fileSize, where) };
}

/** Disks of other formats, by their first bytes. */
const DISKS: readonly (readonly [string, string])[] = [
  ['KDMV', 'it is a VMDK disk'],
  ['vhdxfile', 'it is a VHDX disk'],
  ['QED\0', 'it is a QED disk'],
  ['WithoutFreeSpace', 'it is a Parallels disk'],
  ...FOREIGN.filter(([, , hint]) => hint === CONVERT).map(([magic, what]) => [magic, what] as const),
];

/** Why a qcow2 cannot be used, its backing file aside; undefined when it can. */
export function qcow2Problem(header: Qcow2Header): string | undefined {
  if (header.externalDataFile) return 'its data lies in another file';
  if (header.encrypted) return 'it is encrypted';
  if (header.corrupt) return 'it is marked corrupt';
  if (header.unknownFeatures !== 0n) return `it needs features (0x${header.unknownFeatures.toString(16)}) unknown here`;
  return undefined;
}

function qcow2(head: Buffer, where: string): DiskHeader {
  const header = parseQcow2Header(head);
  if (!header) throw refused(where, 'its qcow2 header is broken or of an unknown version', CONVERT);
  const problem = header.backingFile === undefined ? qcow2Problem(header) : `it needs ${quoted(header.backingFile)}`;
  if (problem) throw refused(where, problem, 'make it stand alone: qemu-img convert -O qcow2 FILE disk.qcow2');
  return { format: 'qcow2', virtualSize: header.virtualSize };
}

/**
 * VMDK 4 in one file (VMware, "Virtual Disk Format 5.0", "Hosted Sparse Extents"): capacity at 12, descriptor at 28 and
 * 36, in sectors. A capacity of 0 makes QEMU follow the descriptor's extents; a parent's name it looks for anywhere in
 * 20 sectors of the descriptor (block/vmdk.c, vmdk_parent_open), and so do we in all that was read.
 */
function vmdk(head: Buffer, where: string): DiskHeader {
  const capacity = head.length < SECTOR ? 0n : head.readBigUInt64LE(12);
  if (capacity === 0n) throw refused(where, 'its extents lie in other files', CONVERT);
  const start = head.readBigUInt64LE(28) * BigInt(SECTOR);
  const length = head.readBigUInt64LE(36) * BigInt(SECTOR);
  if (start + (length > 10240n ? length : 10240n) > BigInt(HEAD)) {
    throw refused(where, 'its VMDK descriptor lies where none belongs', CONVERT);
  }
  const text = head.toString('latin1');
  const parent = /parentFileNameHint\s*=\s*(.*)/i.exec(text)?.[1];
  const parentId = /parentCID\s*=\s*(\w+)/i.exec(text)?.[1] ?? 'ffffffff';
  if (/parentFileNameHint/i.test(text) || !/^f{8}$/i.test(parentId)) {
    throw refused(where, `it needs a parent (${quoted(parent ?? parentId)})`, CONVERT);
  }
  return { format: 'vmdk', virtualSize: capacity * BigInt(SECTOR) };
}

/** VDI: size at 368, the UUIDs of link and parent at 424 (QEMU, block/vdi.c, VdiHeader). */
function vdi(head: Buffer, where: string): DiskHeader {
  if (head.subarray(424, 456).some((byte) => byte !== 0)) throw refused(where, 'it needs a parent', CONVERT);
  return { format: 'vdi', virtualSize: head.readBigUInt64LE(368) };
}

/** A raw disk that a PC can start from has a boot signature (UEFI 2.10, section 5.2.1): without, it is some other file. */
function raw(head: Buffer, fileSize: number, where: string): DiskHeader {
  if (head.length < SECTOR || head.readUInt16LE(510) !== 0xaa55) {
    throw refused(where, 'it is no disk of a known kind (qcow2, raw, vmdk, vhdx, vdi)', 'check what was downloaded');
  }
  return { format: 'raw', virtualSize: BigInt(wholeSectors(fileSize, where)) };
}

function wholeSectors(fileSize: number, where: string): number {
  if (fileSize % SECTOR === 0) return fileSize;
  throw refused(where, `its ${fileSize} bytes are not whole sectors: it is cut short`);
}

function refused(where: string, why: string, hint?: string): VirtainersError {
  return new VirtainersError('DISK_REFUSED', `reading the disk ${where}: ${why}`, { hint });
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}
