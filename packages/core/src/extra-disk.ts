import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import { type DataDisk, parseDataDisk } from './disk-header.ts';
import { VirtainersError } from './errors.ts';

/** Where a container finds the disks that a person gives a machine beside its own. */
export const EXTRA_DISKS = { files: '/volumes', devices: '/dev/vm' } as const;

/**
 * What a file in /volumes ends with, and what it is. Nothing goes by its content: that is the guest's, which could make its raw disk
 * another one by writing a qcow2's header.
 */
const SUFFIXES: Readonly<Record<string, DataDisk['format']>> = { '.qcow2': 'qcow2', '.raw': 'raw', '.img': 'raw' };

/** virtio-blk has 20 bytes for it (virtio 1.2, 5.2.6.1, VIRTIO_BLK_T_GET_ID); these characters udev leaves as they are. */
const SERIAL_LENGTH = 20;
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** What `--disk` takes for a name. */
export const DISK_NAME_ALLOWED = `up to ${SERIAL_LENGTH} letters, digits, dots, hyphens and underscores, the first a letter or digit`;

export function isDiskName(text: string): boolean {
  return NAME.test(text) && text.length <= SERIAL_LENGTH;
}

/** The name of a file that would be taken for a disk; undefined for others. */
export function diskNameOf(file: string): string | undefined {
  const suffix = extname(file);
  return suffix in SUFFIXES ? file.slice(0, -suffix.length) : undefined;
}

/**
 * The serial of a disk, by which a guest finds it under /dev/disk/by-id/virtio-SERIAL: its name where that fits, else what
 * fits of it and eight digits of its sha256, so that the same name always has the same.
 */
export function diskSerial(name: string): string {
  if (isDiskName(name)) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8);
  const plain = name.replaceAll(/[^A-Za-z0-9_.-]/g, '_').replace(/^[_.-]+/, '');
  return `${plain.slice(0, SERIAL_LENGTH - digest.length - 1) || 'disk'}-${digest}`;
}

/**
 * Reads what a file in /volumes, or one that is to come there, is: by its content, with which its name must agree.
 * DISK_REFUSED; what the file system throws goes through.
 */
export async function readExtraDisk(path: string): Promise<DataDisk> {
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const head = Buffer.alloc(Math.min(size, 65_536));
    const { bytesRead } = await handle.read(head, 0, head.length, 0);
    const disk = parseDataDisk(head.subarray(0, bytesRead), size, path);
    requireSuffix(path, disk);
    return disk;
  } finally {
    await handle.close();
  }
}

function requireSuffix(path: string, { format }: DataDisk): void {
  const suffix = extname(path);
  if ((SUFFIXES[suffix] ?? format) === format) return;
  const other = Object.keys(SUFFIXES).find((each) => SUFFIXES[each] === format);
  throw new VirtainersError('DISK_REFUSED', `reading the disk ${path}: it is ${format}, whatever its name says`, {
    hint: `call it ${path.slice(0, -suffix.length)}${other} if that is what it is meant to be`,
  });
}
