import { formatSize, parseQcow2Header, type Qcow2Header } from '@virtainers/core';
import { type DiskBytes, readWhole, refuse } from './inspect-bytes.ts';
import { FORMAT_HEAD } from './inspect-format.ts';

/** QEMU's own limits (block/qcow2.h): a larger table is an attack on memory. */
const LARGEST_L1 = 32 * 1024 * 1024;
const LARGEST_REFCOUNT_TABLE = 8 * 1024 * 1024;
const EXTENDED_L2 = 0x10;
const EXTENSION_DATA_FILE = 0x44415441;

/** Where the tables are (QEMU, docs/interop/qcow2.rst, "Header" and "Cluster mapping"). */
interface Tables {
  readonly clusterSize: number;
  readonly clusterBits: number;
  readonly l1Offset: number;
  readonly l1Size: number;
  /** Bytes of an L2 entry: 16 with extended L2. */
  readonly l2Entry: number;
}

/**
 * Refuses what names another file, is encrypted, corrupt, truncated or absurd. Work and memory grow with the file's size
 * only, whatever its header claims. Returns the virtual size in bytes.
 */
export async function inspectQcow2(disk: DiskBytes): Promise<number> {
  const head = await disk.read(0, FORMAT_HEAD);
  const header = parseQcow2Header(head);
  if (!header) throw refuse(disk.name, headProblem(head));
  const reason = headerProblem(header, head);
  if (reason) throw refuse(disk.name, reason);
  const tables = readTables(head, header);
  const layout = tableProblem(tables, header);
  if (layout) throw refuse(disk.name, layout);
  await checkRefcountTable(disk, head, tables);
  await checkClusters(disk, tables);
  return Number(header.virtualSize);
}

function headProblem(head: Buffer): string {
  if (head.length < 72) return `it is truncated: a qcow2 header in a file of ${head.length} bytes`;
  const version = head.readUInt32BE(4);
  if (version === 1) return 'it is a qcow (version 1) disk';
  if (version !== 2 && version !== 3) return `its qcow2 version is ${version}; 2 and 3 are known`;
  const clusterBits = head.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) return `its clusters of 2^${clusterBits} bytes are not within 2^9 to 2^21`;
  return 'its header is truncated';
}

function headerProblem(header: Qcow2Header, head: Buffer): string | undefined {
  if (header.backingFile !== undefined) return `it names a backing file (${quoteName(header.backingFile)})`;
  if (header.externalDataFile || hasExtension(head, header, EXTENSION_DATA_FILE)) {
    return 'it keeps its data in an external data file';
  }
  if (header.encrypted) return 'it is encrypted';
  if (header.corrupt) return 'it is marked corrupt';
  if (header.dirty) return 'it is marked dirty: whoever wrote it did not close it (qemu-img check -r all repairs it)';
  if (header.unknownFeatures !== 0n) return `it uses unknown features (bits 0x${header.unknownFeatures.toString(16)})`;
  if (header.snapshots > 0) return `it holds internal snapshots (${header.snapshots})`;
  if (header.virtualSize === 0n) return 'its virtual size is 0';
  if (header.virtualSize > BigInt(Number.MAX_SAFE_INTEGER)) return 'its virtual size is absurd';
  if (header.version === 3) {
    const length = head.readUInt32BE(100);
    if (length < 104 || length % 8 !== 0 || length > header.clusterSize) return `its header length is ${length}`;
    if (head.readUInt32BE(96) > 6) return 'its refcounts are wider than 64 bits';
    const compression = length > 104 ? (head[104] ?? 0) : 0;
    if (compression > 1) return `its compression type is ${compression}; zlib and zstd are known`;
  }
  return undefined;
}

function readTables(head: Buffer, header: Qcow2Header): Tables {
  const extended = header.version === 3 && (head.readUInt32BE(76) & EXTENDED_L2) !== 0;
  return {
    clusterSize: header.clusterSize,
    clusterBits: head.readUInt32BE(20),
    l1Offset: Number(head.readBigUInt64BE(40)),
    l1Size: header.l1Size,
    l2Entry: extended ? 16 : 8,
  };
}

function tableProblem(tables: Tables, header: Qcow2Header): string | undefined {
  const { clusterSize, l1Size, l1Offset, l2Entry } = tables;
  if (l1Size * 8 > LARGEST_L1) return `its L1 table has ${l1Size} entries, more than QEMU reads`;
  const perTable = BigInt(clusterSize) * BigInt(clusterSize / l2Entry);
  const needed = (header.virtualSize + perTable - 1n) / perTable;
  if (BigInt(l1Size) < needed)
    return `its L1 table has ${l1Size} entries, too few for ${formatSize(Number(header.virtualSize))}`;
  if (l1Offset === 0 || l1Offset % clusterSize !== 0) return `its L1 table is at byte ${l1Offset}, not on a cluster`;
  return undefined;
}

async function checkRefcountTable(disk: DiskBytes, head: Buffer, { clusterSize }: Tables): Promise<void> {
  const offset = Number(head.readBigUInt64BE(48));
  const length = head.readUInt32BE(56) * clusterSize;
  if (offset === 0 || offset % clusterSize !== 0 || length === 0 || length > LARGEST_REFCOUNT_TABLE) {
    throw refuse(disk.name, `its refcount table (${length} bytes at byte ${offset}) is not one`);
  }
  await readWhole(disk, offset + length - 1, 1, 'its refcount table');
}

/** Every L2 table and every cluster must lie in the file; no more tables than the file has room for. */
async function checkClusters(disk: DiskBytes, tables: Tables): Promise<void> {
  const { clusterSize, l1Offset, l1Size } = tables;
  const l1 = await readWhole(disk, l1Offset, l1Size * 8, 'its L1 table');
  let room = Math.floor(disk.size / clusterSize);
  for (let at = 0; at < l1.length; at += 8) {
    const offset = entryOffset(l1, at);
    if (offset === 0) continue;
    if (offset % clusterSize !== 0)
      throw refuse(disk.name, `it is corrupt: an L2 table at byte ${offset}, not on a cluster`);
    room -= 1;
    if (room < 0) throw refuse(disk.name, 'it is corrupt: it has more L2 tables than the file has room for');
    const reason = l2Problem(await readWhole(disk, offset, clusterSize, 'an L2 table'), tables, disk.size);
    if (reason) throw refuse(disk.name, reason);
  }
}

function l2Problem(l2: Buffer, { clusterBits, clusterSize, l2Entry }: Tables, size: number): string | undefined {
  const compressedBits = 62 - (clusterBits - 8);
  const compressedHigh = 2 ** (compressedBits - 32) - 1;
  for (let at = 0; at < l2.length; at += l2Entry) {
    const high = l2.readUInt32BE(at);
    const compressed = (high & 0x40000000) !== 0;
    const offset = compressed ? (high & compressedHigh) * 2 ** 32 + l2.readUInt32BE(at + 4) : entryOffset(l2, at);
    if (offset === 0) continue;
    if (offset >= size) return `it is truncated: a cluster begins at byte ${offset}, the file ends at ${size}`;
    if (!compressed && offset % clusterSize !== 0) return `it is corrupt: data at byte ${offset}, not on a cluster`;
  }
  return undefined;
}

/** Bits 9 to 55 of an entry. Beyond 2^53 the low bits are lost, which changes no comparison with a file's size. */
function entryOffset(table: Buffer, at: number): number {
  return (table.readUInt32BE(at) & 0x00ffffff) * 2 ** 32 + ((table.readUInt32BE(at + 4) & 0xfffffe00) >>> 0);
}

function hasExtension(head: Buffer, header: Qcow2Header, wanted: number): boolean {
  let at = header.version === 3 ? head.readUInt32BE(100) : 72;
  while (at + 8 <= head.length) {
    const type = head.readUInt32BE(at);
    if (type === wanted) return true;
    if (type === 0) return false;
    at += 8 + Math.ceil(head.readUInt32BE(at + 4) / 8) * 8;
  }
  return false;
}

/** A name from a foreign file, safe on a terminal. */
function quoteName(name: string): string {
  return JSON.stringify(name.slice(0, 200)).slice(1, -1);
}
