import { open } from 'node:fs/promises';

/** Of the machines that there are, in bytes. */
export const PAGES = [4096, 16_384, 65_536] as const;
/** At the end of a swap's first page (Linux, include/linux/swap.h). */
export const SWAP = Buffer.from('SWAPSPACE2');

/** The marks that makers of file systems and the like leave, and where: as blkid(8) knows them. */
const MARKS: readonly { readonly kind: string; readonly at: number; readonly mark: Buffer }[] = [
  // Linux, Documentation/filesystems/ext4/super.rst: ext2, ext3 and ext4 alike.
  { kind: 'ext4', at: 1080, mark: Buffer.from([0x53, 0xef]) },
  ...PAGES.map((page) => ({ kind: 'swap', at: page - SWAP.length, mark: SWAP })),
  { kind: 'FAT', at: 54, mark: Buffer.from('FAT1') },
  { kind: 'FAT', at: 82, mark: Buffer.from('FAT32') },
  { kind: 'XFS', at: 0, mark: Buffer.from('XFSB') },
  { kind: 'btrfs', at: 65600, mark: Buffer.from('_BHRfS_M') },
  { kind: 'LVM', at: 512, mark: Buffer.from('LABELONE') },
  { kind: 'encrypted (LUKS)', at: 0, mark: Buffer.from('LUKS\xba\xbe', 'latin1') },
  { kind: 'NTFS', at: 3, mark: Buffer.from('NTFS    ') },
  { kind: 'F2FS', at: 1024, mark: Buffer.from([0x10, 0x20, 0xf5, 0xf2]) },
  { kind: 'RAID', at: 4096, mark: Buffer.from([0xfc, 0x4e, 0x2b, 0xa9]) },
  { kind: 'UFS', at: 66908, mark: Buffer.from([0x19, 0x01, 0x54, 0x19]) },
];

/** What lies at the byte `start` of a raw disk; undefined: nothing that is known here. */
export async function kindAt(disk: string, start: number): Promise<string | undefined> {
  const head = await readHead(disk, start);
  return MARKS.find(({ at, mark }) => head.subarray(at, at + mark.length).equals(mark))?.kind;
}

/** Whether a partition is a part of a RAID that keeps its own description at the end (md(4), 0.90 and 1.0). */
export async function endsAsRaid(disk: string, start: number, size: number): Promise<boolean> {
  const places = [Math.floor(size / 65_536) * 65_536 - 65_536, Math.floor((size / 512 - 16) / 8) * 4096];
  const mark = Buffer.from([0xfc, 0x4e, 0x2b, 0xa9]);
  const heads = await Promise.all(places.filter((at) => at > 0).map((at) => readHead(disk, start + at)));
  return heads.some((head) => head.subarray(0, mark.length).equals(mark));
}

/** How large the pages of a swap are that begins at the byte `start` of a raw disk. */
export async function swapPage(disk: string, start: number): Promise<number> {
  const head = await readHead(disk, start);
  return PAGES.find((page) => head.subarray(page - SWAP.length, page).equals(SWAP)) ?? PAGES[0];
}

async function readHead(disk: string, start: number): Promise<Buffer> {
  const handle = await open(disk, 'r');
  try {
    const head = Buffer.alloc(68 * 1024);
    await handle.read(head, 0, head.length, start);
    return head;
  } finally {
    await handle.close();
  }
}
