import { type DiskBytes, refuse } from './inspect-bytes.ts';

export const DISK_FORMATS = ['qcow2', 'vmdk', 'vhdx', 'vdi', 'raw'] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

/** Bytes from the start by which every format below is told apart. */
export const FORMAT_HEAD = 36 * 1024;

interface Magic {
  readonly at: number;
  readonly bytes: string | readonly number[];
}

const FORMATS: readonly (Magic & { readonly format: DiskFormat })[] = [
  { format: 'qcow2', at: 0, bytes: 'QFI\u00fb' },
  { format: 'vmdk', at: 0, bytes: 'KDMV' },
  { format: 'vhdx', at: 0, bytes: 'vhdxfile' },
  { format: 'vdi', at: 0x40, bytes: [0x7f, 0x10, 0xda, 0xbe] },
];

/** What is often given in place of a disk; the first match names it. */
const STRANGERS: readonly (Magic & { readonly what: string; readonly hint?: string })[] = [
  { what: 'a VMDK descriptor, which names other files', at: 0, bytes: '# Disk DescriptorFile' },
  { what: 'a VMware 3 (COWD) disk', at: 0, bytes: 'COWD' },
  { what: 'a VHD disk', at: 0, bytes: 'conectix', hint: 'convert it: qemu-img convert -f vpc -O qcow2 OLD NEW' },
  { what: 'compressed twice (xz)', at: 0, bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { what: 'compressed twice (gzip)', at: 0, bytes: [0x1f, 0x8b] },
  { what: 'compressed twice (zstd)', at: 0, bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { what: 'compressed twice (bzip2)', at: 0, bytes: 'BZh' },
  { what: 'a zip archive', at: 0, bytes: 'PK\u0003\u0004', hint: 'unpack it and give the disk in it' },
  {
    what: 'a 7z archive',
    at: 0,
    bytes: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c],
    hint: 'unpack it and give the disk in it',
  },
  { what: 'a tar archive', at: 257, bytes: 'ustar', hint: 'unpack it and give the disk in it' },
  { what: 'a program', at: 0, bytes: '\u007fELF' },
  { what: 'a QED disk', at: 0, bytes: 'QED\0' },
  { what: 'a Parallels disk', at: 0, bytes: 'WithoutFreeSpace' },
];

const CD_IMAGE: Magic = { at: 32769, bytes: 'CD001' };
const BOOT_SIGNATURE: Magic = { at: 510, bytes: [0x55, 0xaa] };

/** Tells the format from the file's first bytes, never from its name. DISK_REFUSED names what else it is. */
export function detectFormat(head: Buffer, name: string): DiskFormat {
  const known = FORMATS.find((magic) => matches(head, magic));
  if (known) return known.format;
  if (looksLikeHtml(head)) throw refuse(name, 'it is an HTML page, not a disk image');
  const stranger = STRANGERS.find((magic) => matches(head, magic));
  if (stranger) throw refuse(name, `it is ${stranger.what}`, stranger.hint);
  if (matches(head, BOOT_SIGNATURE)) return 'raw';
  if (matches(head, CD_IMAGE)) throw refuse(name, 'it is a CD image, not a disk', "give a distro's cloud image");
  throw refuse(
    name,
    'its format is not known, and as a raw disk it has no boot signature (0x55AA at byte 510)',
    'qcow2, vmdk, vhdx, vdi and raw are read, also as .xz, .gz, .zst and .bz2',
  );
}

/** For what is still being unpacked: refuses what is no disk by its first bytes, so that a bomb ends there. */
export function refuseNoDisk(head: Buffer, name: string): void {
  if (head.length === 0) throw refuse(name, 'there is nothing in it');
  detectFormat(head, name);
}

export async function readHead(disk: DiskBytes): Promise<Buffer> {
  return disk.read(0, FORMAT_HEAD);
}

/** What a web server sends where a file has moved or a login is wanted. */
export function looksLikeHtml(head: Buffer): boolean {
  return /^\uFEFF?\s*(?:<!doctype html|<html|<head|<\?xml[^>]*>\s*<!doctype html)/i.test(
    head.toString('utf8', 0, 1024),
  );
}

function matches(head: Buffer, { at, bytes }: Magic): boolean {
  const wanted = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes);
  return head.subarray(at, at + wanted.length).equals(wanted);
}
