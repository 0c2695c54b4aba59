import { basename } from 'node:path';
import { formatSize, parseDiskHeader } from '@virtainers/core';
import { type DiskBytes, refuse, withDiskBytes } from './inspect-bytes.ts';
import { type DiskFormat, detectFormat, readHead } from './inspect-format.ts';
import { inspectQcow2 } from './inspect-qcow2.ts';
import { inspectRaw } from './inspect-raw.ts';
import { inspectVdi } from './inspect-vdi.ts';
import { inspectVhdx } from './inspect-vhdx.ts';
import { inspectVmdk } from './inspect-vmdk.ts';

/** What a foreign disk is, after everything unsafe was refused. */
export interface DiskFacts {
  readonly format: DiskFormat;
  /** What the guest sees, in bytes. */
  readonly virtualSize: number;
}

/** Virtual sizes above it are refused unless the caller asks for more. */
export const DEFAULT_MAX_VIRTUAL_SIZE = 1024 ** 4;

const INSPECTORS: Record<DiskFormat, (disk: DiskBytes) => Promise<number>> = {
  qcow2: inspectQcow2,
  vmdk: inspectVmdk,
  vhdx: inspectVhdx,
  vdi: inspectVdi,
  raw: inspectRaw,
};

/**
 * Reads a disk image's own tables before any other program opens it. DISK_REFUSED where it names another file, is
 * encrypted, corrupt, truncated, larger than `maxVirtualSize` or of no known format.
 */
export async function inspectDisk(path: string, maxVirtualSize: number, name = basename(path)): Promise<DiskFacts> {
  return withDiskBytes(path, name, (disk) => inspectBytes(disk, maxVirtualSize));
}

export async function inspectBytes(disk: DiskBytes, maxVirtualSize: number): Promise<DiskFacts> {
  const format = detectFormat(await readHead(disk), disk.name);
  const virtualSize = await INSPECTORS[format](disk);
  // What the runtime refuses when it starts must not come through here.
  parseDiskHeader(await disk.read(0, 65_536), disk.size, disk.name);
  checkVirtualSize(disk.name, virtualSize, maxVirtualSize);
  return { format, virtualSize };
}

export function checkVirtualSize(name: string, virtualSize: number, maxVirtualSize: number): void {
  if (virtualSize <= maxVirtualSize) return;
  throw refuse(
    name,
    `its virtual size is ${formatSize(virtualSize)}, over the limit of ${formatSize(maxVirtualSize)}`,
    'raise the limit with --max-virtual-size if the disk is meant to be that large',
  );
}
