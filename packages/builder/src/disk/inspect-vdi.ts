import { type DiskBytes, readWhole, refuse } from './inspect-bytes.ts';

const HEADER = 512;
const NO_UUID = Buffer.alloc(16);
const LARGEST_MAP = 32 * 1024 * 1024;
/** Entries of the block map from here on say "not there" and "zero" (QEMU, block/vdi.c). */
const UNALLOCATED = 0xfffffffe;

/** Accepts dynamic and static disks; refuses differencing and truncated ones. Returns the virtual size in bytes. */
export async function inspectVdi(disk: DiskBytes): Promise<number> {
  const header = await readWhole(disk, 0, HEADER, 'its header');
  const reason = headerProblem(header);
  if (reason) throw refuse(disk.name, reason);
  await checkBlocks(disk, header);
  return Number(header.readBigUInt64LE(0x170));
}

function headerProblem(header: Buffer): string | undefined {
  if (header.readUInt32LE(0x44) !== 0x00010001) return 'its VDI version is not 1.1';
  const type = header.readUInt32LE(0x4c);
  if (type !== 1 && type !== 2) return `its type is ${type}: only dynamic (1) and static (2) disks stand alone`;
  if (!header.subarray(0x1a8, 0x1b8).equals(NO_UUID) || !header.subarray(0x1b8, 0x1c8).equals(NO_UUID)) {
    return 'it has a parent disk';
  }
  const size = header.readBigUInt64LE(0x170);
  if (size === 0n || size > BigInt(Number.MAX_SAFE_INTEGER)) return 'its virtual size is absurd';
  const blockSize = header.readUInt32LE(0x178);
  if (blockSize !== 1024 * 1024) return `its blocks have ${blockSize} bytes, not 1 MiB`;
  const blocks = header.readUInt32LE(0x180);
  if (BigInt(blocks) * BigInt(blockSize) < size) return 'its block map is too small for its virtual size';
  if (blocks * 4 > LARGEST_MAP) return `its block map has ${blocks} entries`;
  return undefined;
}

async function checkBlocks(disk: DiskBytes, header: Buffer): Promise<void> {
  const blockSize = header.readUInt32LE(0x178);
  const blocks = header.readUInt32LE(0x180);
  const data = header.readUInt32LE(0x158);
  const map = await readWhole(disk, header.readUInt32LE(0x154), blocks * 4, 'its block map');
  for (let at = 0; at < map.length; at += 4) {
    const index = map.readUInt32LE(at);
    const end = data + (index + 1) * blockSize;
    if (index < UNALLOCATED && end > disk.size) {
      throw refuse(disk.name, `it is truncated: a block ends at byte ${end}, the file at ${disk.size}`);
    }
  }
}
