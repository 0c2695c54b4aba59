import { type DiskBytes, readWhole, refuse } from './inspect-bytes.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const HEADERS = [64 * KIB, 128 * KIB];
const REGION_TABLE = 192 * KIB;
const NO_LOG = Buffer.alloc(16);
const LARGEST_BAT = 32 * MIB;

/** GUIDs as they lie in the file: [MS-VHDX] 2.2.3 and 2.6. */
const GUID = {
  bat: '6677c22d23f600429d64115e9bfd4a08',
  metadata: '06a27c8b90479a4bb8fe575f050f886e',
  fileParameters: '3767a1ca36fa434db3b633f0aa44e76b',
  virtualDiskSize: '2442a52f1bcd7648b2115dbed83bf4b8',
  parentLocator: '2d5fd3a80bb34d45abf7d3d84834ab0c',
} as const;

interface Place {
  readonly offset: number;
  readonly length: number;
}

/** Refuses differencing disks, disks with an unreplayed log and truncated ones ([MS-VHDX]). Returns the virtual size in bytes. */
export async function inspectVhdx(disk: DiskBytes): Promise<number> {
  await checkLog(disk);
  const regions = parseRegions(disk, await readWhole(disk, REGION_TABLE, 64 * KIB, 'its region table'));
  const metadata = await readMetadata(disk, find(disk, regions, GUID.metadata, 'metadata region'));
  if (metadata.items.has(GUID.parentLocator)) throw refuse(disk.name, 'it names a parent disk');
  const parameters = await metadata.read(GUID.fileParameters, 8);
  if ((parameters.readUInt32LE(4) & 2) !== 0) throw refuse(disk.name, 'it has a parent disk');
  const virtualSize = Number((await metadata.read(GUID.virtualDiskSize, 8)).readBigUInt64LE(0));
  const blockSize = parameters.readUInt32LE(0);
  if (blockSize < MIB || blockSize > 256 * MIB || blockSize % MIB !== 0)
    throw refuse(disk.name, `its blocks have ${blockSize} bytes`);
  if (!Number.isSafeInteger(virtualSize) || virtualSize === 0) throw refuse(disk.name, 'its virtual size is absurd');
  await checkBlocks(disk, find(disk, regions, GUID.bat, 'block table'), virtualSize, blockSize);
  return virtualSize;
}

/** The header with the higher sequence number counts; a log in it has to be replayed by a writer first. */
async function checkLog(disk: DiskBytes): Promise<void> {
  const headers = await Promise.all(HEADERS.map((offset) => readWhole(disk, offset, 4 * KIB, 'its header')));
  const valid = headers.filter((header) => header.toString('latin1', 0, 4) === 'head');
  const [current] = valid.sort((a, b) => (a.readBigUInt64LE(8) < b.readBigUInt64LE(8) ? 1 : -1));
  if (!current) throw refuse(disk.name, 'it has no VHDX header');
  if (!current.subarray(48, 64).equals(NO_LOG))
    throw refuse(disk.name, 'it was not closed cleanly: its log holds unwritten changes');
}

function parseRegions(disk: DiskBytes, table: Buffer): Map<string, Place> {
  const count = table.readUInt32LE(8);
  if (table.toString('latin1', 0, 4) !== 'regi' || count > 2047) throw refuse(disk.name, 'it has no region table');
  const regions = new Map<string, Place>();
  for (let i = 0; i < count; i++) {
    const at = 16 + i * 32;
    const place = { offset: Number(table.readBigUInt64LE(at + 16)), length: table.readUInt32LE(at + 24) };
    regions.set(table.toString('hex', at, at + 16), place);
  }
  return regions;
}

async function readMetadata(disk: DiskBytes, region: Place) {
  const table = await readWhole(disk, region.offset, 64 * KIB, 'its metadata');
  const count = table.readUInt16LE(10);
  if (table.toString('latin1', 0, 8) !== 'metadata' || count > 2047)
    throw refuse(disk.name, 'it has no metadata table');
  const items = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const at = 32 + i * 32;
    items.set(table.toString('hex', at, at + 16), table.readUInt32LE(at + 16));
  }
  const read = async (guid: string, length: number) => {
    const offset = items.get(guid);
    if (offset === undefined) throw refuse(disk.name, 'its metadata lacks a required item');
    return readWhole(disk, region.offset + offset, length, 'its metadata');
  };
  return { items, read };
}

/** Blocks that are fully present ([MS-VHDX] 2.5.1.1) must lie in the file. */
async function checkBlocks(disk: DiskBytes, bat: Place, virtualSize: number, blockSize: number): Promise<void> {
  const needed = Math.ceil(virtualSize / blockSize) * 8;
  if (bat.length < needed) throw refuse(disk.name, 'its block table is too small for its virtual size');
  if (bat.length > LARGEST_BAT) throw refuse(disk.name, `its block table has ${bat.length} bytes`);
  const table = await readWhole(disk, bat.offset, bat.length, 'its block table');
  for (let at = 0; at + 8 <= table.length; at += 8) {
    const entry = table.readBigUInt64LE(at);
    const end = Number(entry >> 20n) * MIB + blockSize;
    if ((entry & 7n) === 6n && end > disk.size) {
      throw refuse(disk.name, `it is truncated: a block ends at byte ${end}, the file at ${disk.size}`);
    }
  }
}

function find(disk: DiskBytes, regions: ReadonlyMap<string, Place>, guid: string, what: string): Place {
  const place = regions.get(guid);
  if (!place) throw refuse(disk.name, `it has no ${what}`);
  return place;
}
