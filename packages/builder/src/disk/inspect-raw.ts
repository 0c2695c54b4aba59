import { type DiskBytes, refuse } from './inspect-bytes.ts';

const SECTOR = 512;
const PARTITIONS = 446;
const PROTECTIVE = 0xee;

/** A raw disk is as large as its file; its partition table says whether something is missing. Returns the size in bytes. */
export async function inspectRaw(disk: DiskBytes): Promise<number> {
  const head = await disk.read(0, 2 * SECTOR);
  const end = Math.max(gptEnd(head), mbrEnd(head));
  if (end > disk.size)
    throw refuse(disk.name, `it is truncated: its partition table ends at byte ${end}, the file at ${disk.size}`);
  return disk.size;
}

/** UEFI, 5.3.2 "GPT Header": where the backup header is, which is the disk's last sector. */
function gptEnd(head: Buffer): number {
  if (head.length < 2 * SECTOR || head.toString('latin1', SECTOR, SECTOR + 8) !== 'EFI PART') return 0;
  return (Number(head.readBigUInt64LE(SECTOR + 32)) + 1) * SECTOR;
}

function mbrEnd(head: Buffer): number {
  const ends = [0, 1, 2, 3].map((index) => {
    const at = PARTITIONS + index * 16;
    const type = head[at + 4] ?? 0;
    const boot = head[at] ?? 0;
    // A boot sector without a partition table has code here: only a sane entry counts.
    if (type === 0 || type === PROTECTIVE || (boot !== 0 && boot !== 0x80)) return 0;
    return (head.readUInt32LE(at + 8) + head.readUInt32LE(at + 12)) * SECTOR;
  });
  return Math.max(...ends);
}
