import { writeFile } from 'node:fs/promises';
import type { BuildContext } from '../context.ts';
import { BLOCK } from './changed-blocks.ts';

/** A file, folder or link as its file system has it. */
export interface Inode {
  readonly number: number;
  /** Octal, kind included: `100644`. */
  readonly mode: string;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
}

/** An ext2, ext3 or ext4 file system in a raw disk, read by debugfs(8): nothing is mounted, nothing is written. */
export interface Ext4 {
  /** By path. */
  readonly files: ReadonlyMap<string, Inode>;
  /** Numbers of the inodes whose content lies in blocks that begin at these bytes of the disk. */
  owners(blocks: readonly number[]): Promise<ReadonlySet<number>>;
}

const ROOT = 2;
const FOLDER = /^0?40/;
/** So many numbers fit into one argument of a program (execve(2), MAX_ARG_STRLEN). */
const NUMBERS_AT_ONCE = 8000;

/** `start`: its first byte in the disk; `scratch`: a path for the questions. */
export async function readExt4(ctx: BuildContext, disk: string, start: number, scratch: string): Promise<Ext4> {
  const device = `${disk}?offset=${start}`;
  const ask = async (args: readonly string[]) => {
    return (await ctx.exec('debugfs', [...args, device], { timeoutMs: 600_000, signal: ctx.signal })).stdout;
  };
  const blockSize = Number(/^Block size:\s+(\d+)/m.exec(await ask(['-R', 'show_super_stats -h']))?.[1] ?? BLOCK);
  return {
    files: await listFiles(async (folders) => {
      await writeFile(scratch, folders.map((number) => `ls -p <${number}>\n`).join(''));
      return ask(['-f', scratch]);
    }),
    owners: async (blocks) => {
      const found = new Set<number>();
      const numbers = [...new Set(blocks.map((at) => Math.floor((at - start) / blockSize)))];
      for (let index = 0; index < numbers.length; index += NUMBERS_AT_ONCE) {
        const some = numbers.slice(index, index + NUMBERS_AT_ONCE);
        const answer = await ask(['-R', `icheck ${some.join(' ')}`]);
        for (const [, inode] of answer.matchAll(/^\d+\t(\d+)$/gm)) found.add(Number(inode));
      }
      return found;
    },
  };
}

/** One question a level of the tree, not one a folder. */
async function listFiles(list: (folders: readonly number[]) => Promise<string>): Promise<Map<string, Inode>> {
  const files = new Map<string, Inode>();
  let level = new Map([[ROOT, '']]);
  const seen = new Set([ROOT]);
  while (level.size > 0) {
    const next = new Map<number, string>();
    for (const { folder, name, inode } of parseListing(await list([...level.keys()]))) {
      const above = level.get(folder) ?? '';
      let path = `${above}/${name}`;
      // Two names that are not UTF-8 may look alike here.
      for (let shown = name; files.has(path) && name.includes('\ufffd'); path = `${above}/${shown}`) {
        shown = shown.replace('\ufffd', '\ufffd\ufffd');
      }
      files.set(path, inode);
      if (!FOLDER.test(inode.mode) || seen.has(inode.number)) continue;
      seen.add(inode.number);
      next.set(inode.number, path);
    }
    level = next;
  }
  return files;
}

/** A folder's heading, or an entry: a name may have any byte but a slash, a line break too. */
const LISTED = /^debugfs: ls -p <(\d+)>$|^\/(\d+)\/(\d+)\/(\d+)\/(\d+)\/([^/]+)\/(\d*)\/$/gm;

/** `debugfs: ls -p <2>`, then entries: `/11/040700/0/0/lost+found//`. */
export function parseListing(text: string): { folder: number; name: string; inode: Inode }[] {
  let folder = 0;
  return [...text.matchAll(LISTED)].flatMap(([, heading, number, mode = '', uid, gid, name = '', size]) => {
    if (heading !== undefined) folder = Number(heading);
    if (number === undefined || number === '0' || name === '.' || name === '..') return [];
    const inode = { number: Number(number), mode, uid: Number(uid), gid: Number(gid), size: Number(size) };
    return [{ folder, name, inode }];
  });
}
