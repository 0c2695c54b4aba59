import { open } from 'node:fs/promises';

/** What an ext4 file system says of itself (Linux, Documentation/filesystems/ext4/super.rst). */
export interface Superblock {
  /** As fstab(5) writes it. */
  readonly uuid: string;
  readonly label: string;
  /** Of its last change, in seconds since 1970. */
  readonly writtenAt: number;
  /** In bytes. */
  readonly blockSize: number;
  /** What is given to files at once: a block, or several (bigalloc). */
  readonly clusterSize: number;
  readonly size: number;
  /** It was not unmounted: its journal is to be replayed, or files are to be removed that were deleted while open. */
  readonly dirty: boolean;
}

const VALID = 1;
const ERRORS = 2;
const NEEDS_RECOVERY = 0x4;
const WIDE = 0x80;
const BIGALLOC = 0x200;
const ORPHANS_PRESENT = 0x10000;

/** Of the file system that begins at the byte `start` of a raw disk. */
export async function readSuperblock(disk: string, start: number): Promise<Superblock> {
  const handle = await open(disk, 'r');
  const block = Buffer.alloc(1024);
  try {
    await handle.read(block, 0, block.length, start + 1024);
  } finally {
    await handle.close();
  }
  const state = block.readUInt16LE(0x3a);
  const clean = (state & VALID) !== 0 && (state & ERRORS) === 0;
  const journal = (block.readUInt32LE(0x60) & NEEDS_RECOVERY) !== 0;
  const orphans = block.readUInt32LE(0xe8) !== 0 || (block.readUInt32LE(0x64) & ORPHANS_PRESENT) !== 0;
  const blockSize = 1024 << block.readUInt32LE(0x18);
  const clustered = (block.readUInt32LE(0x64) & BIGALLOC) !== 0;
  const wide = (block.readUInt32LE(0x60) & WIDE) !== 0;
  const blocks = block.readUInt32LE(0x4) + (wide ? block.readUInt32LE(0x150) * 2 ** 32 : 0);
  return {
    uuid: block.toString('hex', 0x68, 0x78).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
    label: block.toString('utf8', 0x78, 0x88).replace(/\0.*$/s, ''),
    writtenAt: block.readUInt32LE(0x30),
    ...{ blockSize, clusterSize: clustered ? 1024 << block.readUInt32LE(0x1c) : blockSize, size: blocks * blockSize },
    dirty: !clean || journal || orphans,
  };
}
