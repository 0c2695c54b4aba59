import { open } from 'node:fs/promises';
import type { BuildContext } from '../context.ts';
import { PAGES, SWAP } from '../diff/signatures.ts';
import { type Ext4Place, placesOf } from './ext4-edit.ts';
import { type GuestFile, isRegular } from './rules.ts';

/** A file that a guest swaps to: behind its first page lies memory. */
export interface SwapFile {
  readonly inode: number;
  /** In bytes. */
  readonly page: number;
}

/** mkswap(8) makes none that are smaller. */
const SMALLEST = 10 * PAGES[0];

/** Among `files` the swaps: what `named` names, and what bears the mark of one, whoever turns it on. */
export async function findSwapFiles(
  ctx: BuildContext,
  place: Ext4Place,
  files: readonly GuestFile[],
  named: readonly string[],
): Promise<SwapFile[]> {
  const regular = files.filter(({ inode }) => isRegular(inode));
  const pages = new Map<number, number>(
    regular.filter(({ path }) => named.includes(path)).map(({ inode }) => [inode.number, PAGES[0]]),
  );
  const large = regular.filter(({ inode }) => inode.size >= SMALLEST);
  for (const { inode, page } of await marked(ctx, place, [...new Set(large.map(({ inode }) => inode.number))])) {
    pages.set(inode, page);
  }
  return [...pages].map(([inode, page]) => ({ inode, page }));
}

async function marked(ctx: BuildContext, place: Ext4Place, inodes: readonly number[]) {
  const { blockSize } = place.superblock;
  const asked = inodes.flatMap((inode) =>
    PAGES.map((page) => {
      const at = page - SWAP.length;
      return { inode, page, block: Math.floor(at / blockSize), within: at % blockSize };
    }),
  );
  const places = await placesOf(ctx, place, asked);
  const handle = await open(place.disk, 'r');
  try {
    const bytes = Buffer.alloc(SWAP.length);
    const found: { inode: number; page: (typeof PAGES)[number] }[] = [];
    for (const [index, { inode, page, within }] of asked.entries()) {
      const at = places[index];
      if (at === undefined) continue;
      await handle.read(bytes, 0, bytes.length, at + within);
      if (bytes.equals(SWAP)) found.push({ inode, page });
    }
    return found;
  } finally {
    await handle.close();
  }
}
