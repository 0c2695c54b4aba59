import { type DiskBytes, readWhole, refuse } from './inspect-bytes.ts';

const SECTOR = 512;
/** QEMU looks for the parent's name in the 20 sectors behind the header, whatever the header says (block/vmdk.c). */
const DESCRIPTOR_AREA = 64 * 1024;
const GRAIN_TABLE_ENTRIES = 512;
/** gdOffset of a stream-optimised disk: the real one stands in the footer. */
const AT_END = 0xffffffffffffffffn;

interface Header {
  readonly capacity: number;
  readonly grainSize: number;
  readonly descriptorOffset: number;
  readonly descriptorSize: number;
  readonly entriesPerTable: number;
  readonly directory: bigint;
}

/**
 * Accepts one-file disks only: monolithicSparse and streamOptimized with the descriptor inside (VMware, "Virtual Disk
 * Format 5.0"). Returns the virtual size in bytes.
 */
export async function inspectVmdk(disk: DiskBytes): Promise<number> {
  let header = parseHeader(await readWhole(disk, 0, SECTOR, 'its header'));
  const reason = headerProblem(header) ?? descriptorProblem(await readDescriptor(disk, header));
  if (reason) throw refuse(disk.name, reason);
  const head = await disk.read(0, DESCRIPTOR_AREA);
  if (head.includes('parentFileNameHint')) throw refuse(disk.name, 'it names a parent disk');
  if (header.directory === AT_END) {
    const footer = await disk.read(disk.size - 2 * SECTOR, SECTOR);
    if (footer.toString('latin1', 0, 4) !== 'KDMV') throw refuse(disk.name, 'it is truncated: its footer is missing');
    header = { ...header, directory: parseHeader(footer).directory };
  }
  await checkGrains(disk, header);
  return header.capacity * SECTOR;
}

function parseHeader(bytes: Buffer): Header {
  return {
    capacity: Number(bytes.readBigUInt64LE(12)),
    grainSize: Number(bytes.readBigUInt64LE(20)),
    descriptorOffset: Number(bytes.readBigUInt64LE(28)),
    descriptorSize: Number(bytes.readBigUInt64LE(36)),
    entriesPerTable: bytes.readUInt32LE(44),
    directory: bytes.readBigUInt64LE(56),
  };
}

function headerProblem(header: Header): string | undefined {
  // QEMU takes a capacity of 0 as a sign to open the files that the descriptor names.
  if (header.capacity === 0) return 'its capacity is 0';
  if (!Number.isSafeInteger(header.capacity * SECTOR)) return 'its virtual size is absurd';
  if (header.entriesPerTable !== GRAIN_TABLE_ENTRIES) return `its grain tables have ${header.entriesPerTable} entries`;
  const { grainSize } = header;
  if (grainSize < 8 || grainSize > 2 ** 21 / SECTOR || !Number.isInteger(Math.log2(grainSize))) {
    return `its grains have ${grainSize} sectors`;
  }
  if (header.descriptorOffset === 0) return 'its descriptor is not inside';
  if ((header.descriptorOffset + header.descriptorSize) * SECTOR > DESCRIPTOR_AREA)
    return 'its descriptor is not where it belongs';
  return undefined;
}

async function readDescriptor(disk: DiskBytes, header: Header): Promise<string> {
  if (headerProblem(header)) return '';
  const offset = header.descriptorOffset * SECTOR;
  const bytes = await readWhole(disk, offset, header.descriptorSize * SECTOR, 'its descriptor');
  return bytes.toString('latin1').replace(/\0.*$/s, '');
}

/** The descriptor's lines `key=value` and its extents: exactly one, in this file. */
function descriptorProblem(descriptor: string): string | undefined {
  const value = (key: string) =>
    new RegExp(`^\\s*${key}\\s*=\\s*"?([^"\\r\\n]*)"?\\s*$`, 'im').exec(descriptor)?.[1]?.trim();
  const type = value('createType');
  if (type === undefined) return 'its descriptor names no type';
  if (!['monolithicSparse', 'streamOptimized'].includes(type))
    return `its type is ${JSON.stringify(type)}, which spans several files`;
  const parent = value('parentCID');
  if (parent !== undefined && parent.toLowerCase() !== 'ffffffff') return 'it has a parent disk';
  const extents = descriptor.match(/^\s*(?:RW|RDONLY|NOACCESS)\s.*$/gim) ?? [];
  if (extents.length !== 1) return `its descriptor names ${extents.length} extents instead of one`;
  if (!/^\s*RW\s+\d+\s+SPARSE\s+"[^"/\\]*"\s*$/i.test(extents[0])) return 'its descriptor names another file';
  return undefined;
}

/** Every grain table and grain must lie in the file. */
async function checkGrains(disk: DiskBytes, header: Header): Promise<void> {
  const tables = Math.ceil(header.capacity / (header.grainSize * GRAIN_TABLE_ENTRIES));
  const offset = Number(header.directory) * SECTOR;
  if (offset + tables * 4 > disk.size)
    throw refuse(disk.name, 'it is truncated: its grain directory lies beyond its end');
  let room = Math.ceil(disk.size / (GRAIN_TABLE_ENTRIES * 4));
  for (let first = 0; first < tables; first += 65_536) {
    const directory = await readWhole(
      disk,
      offset + first * 4,
      Math.min(65_536, tables - first) * 4,
      'its grain directory',
    );
    for (let at = 0; at < directory.length; at += 4) {
      const sector = directory.readUInt32LE(at);
      if (sector === 0) continue;
      room -= 1;
      if (room < 0) throw refuse(disk.name, 'it is corrupt: it has more grain tables than the file has room for');
      checkGrainTable(disk, await readWhole(disk, sector * SECTOR, GRAIN_TABLE_ENTRIES * 4, 'a grain table'));
    }
  }
}

function checkGrainTable(disk: DiskBytes, table: Buffer): void {
  for (let at = 0; at < table.length; at += 4) {
    const offset = table.readUInt32LE(at) * SECTOR;
    if (offset >= disk.size)
      throw refuse(disk.name, `it is truncated: a grain begins at byte ${offset}, the file ends at ${disk.size}`);
  }
}
