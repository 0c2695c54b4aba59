import { type FileHandle, open } from 'node:fs/promises';
import type { Stretch } from '../diff/changed-blocks.ts';
import type { Partition } from '../diff/partitions.ts';
import { SECTOR } from '../disk/partitions.ts';
import { subtract, union } from './stretches.ts';

/** Boot code lies ahead of the first partition, which since long begins no later. */
const AHEAD = 1024 * 1024;
/** UEFI 2.10, section 5.3: the backup's entries, and its header in its last sector. */
const BACKUP = 33 * SECTOR;
/** An MBR's partition that only holds others. */
const CONTAINERS = ['5', 'f', '85'];
const MOST_TABLES = 256;

export function isContainer({ type = '' }: Partition): boolean {
  return CONTAINERS.includes(type.toLowerCase());
}

/** What of a raw disk is in no partition and is no part of a table of them: rests of what was there once. In order. */
export async function outsideOf(disk: string, size: number, partitions: readonly Partition[]): Promise<Stretch[]> {
  const handle = await open(disk, 'r');
  try {
    const kept = await tablesOf(handle, size);
    for (const { start } of partitions.filter(isContainer)) kept.push(...(await linkedTables(handle, start)));
    const places = partitions.filter((each) => !isContainer(each));
    const used = places.map(({ start, size: length }) => ({ start, length }));
    return subtract([{ start: 0, length: size }], union(kept, used));
  } finally {
    await handle.close();
  }
}

/** The table itself and boot code; the backup lies where the disk ended when it was written, and a disk may be grown. */
async function tablesOf(handle: FileHandle, size: number): Promise<Stretch[]> {
  const header = await readSector(handle, SECTOR);
  const isProtective = (await readSector(handle, 0)).readUInt8(0x1be + 4) === 0xee;
  if (header.toString('latin1', 0, 8) !== 'EFI PART') {
    // A GPT of which only the backup is left.
    const backup = isProtective ? [{ start: size - BACKUP, length: BACKUP }] : [];
    return [{ start: 0, length: AHEAD }, ...backup];
  }
  const [last, firstUsable] = [header.readBigUInt64LE(32), header.readBigUInt64LE(40)].map(Number) as [number, number];
  return [
    { start: 0, length: Math.max(AHEAD, firstUsable * SECTOR) },
    { start: (last + 1) * SECTOR - BACKUP, length: BACKUP },
  ];
}

/** Each partition in a container is in a table of its own, which tells the next: the sector is part of no partition. */
async function linkedTables(handle: FileHandle, container: number): Promise<Stretch[]> {
  const tables: Stretch[] = [];
  for (let at: number | undefined = container; at !== undefined && tables.length < MOST_TABLES; ) {
    tables.push({ start: at, length: SECTOR });
    const sector = await readSector(handle, at);
    const rows = [0, 1, 2, 3].map((row) => 0x1be + row * 16);
    const link = rows.find((row) => CONTAINERS.includes(sector.readUInt8(row + 4).toString(16)));
    at = link === undefined ? undefined : container + sector.readUInt32LE(link + 8) * SECTOR;
  }
  return tables;
}

async function readSector(handle: FileHandle, at: number): Promise<Buffer> {
  const sector = Buffer.alloc(SECTOR);
  await handle.read(sector, 0, SECTOR, at);
  return sector;
}
