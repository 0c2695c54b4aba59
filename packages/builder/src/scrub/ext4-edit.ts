import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commandFailed, VirtainersError, writeAll } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { Stretch } from '../diff/changed-blocks.ts';
import { changes, copySparse } from './changes.ts';
import type { GuestFile, ScrubPlan } from './rules.ts';
import { isFolder } from './rules.ts';
import type { Superblock } from './superblock.ts';

/** An ext4 file system in a raw disk, to be changed in place; nothing is mounted. */
export interface Ext4Place {
  readonly disk: string;
  /** Its first byte in the disk. */
  readonly start: number;
  readonly superblock: Superblock;
  /** A folder for questions and answers. */
  readonly scratch: string;
}

const PATIENCE_MS = 1_800_000;
/** e2fsck(8), EXIT CODE: above that, errors are left. */
const REPAIRED = 3;

/**
 * Brings a file system into the state in which the next start would find it: journal replayed, what was deleted while open
 * gone. The same disk gives the same bytes. DISK_REFUSED where it cannot be repaired.
 */
export async function repair(ctx: BuildContext, place: Ext4Place): Promise<void> {
  // By itself in a file: behind a replay e2fsck opens it once more, then without the offset.
  const [before, after] = ['before', 'after'].map((name) => join(place.scratch, `${name}.raw`)) as [string, string];
  const { disk, start, superblock } = place;
  const file = { driver: 'file', filename: disk };
  const part = `json:${JSON.stringify({ driver: 'raw', offset: start, size: superblock.size, file })}`;
  await ctx.exec('qemu-img', ['convert', '-q', '-O', 'raw', part, before], { signal: ctx.signal });
  await copySparse(ctx, before, after);
  const { exitCode, stdout } = await check(ctx, { ...place, disk: after, start: 0 }, '-fy');
  if (exitCode > REPAIRED) {
    throw new VirtainersError(
      'DISK_REFUSED',
      `checking the file system at byte ${start} of the disk: ${stdout.trim().slice(-500)}`,
      {
        hint: 'start the machine, have it check its file system, and stop it; or publish the disk as it is: --no-scrub',
      },
    );
  }
  const picture = await open(disk, 'r+');
  try {
    for await (const { start: at, length, bytes } of changes(ctx, before, after)) {
      await writeAll(picture, bytes ?? Buffer.alloc(length), start + at);
    }
  } finally {
    await picture.close();
  }
  await Promise.all([rm(before), rm(after)]);
}

/** Carries a plan out, and checks the file system after it. `parent`: the inode of the folder that a file is in. */
export async function carryOut(
  ctx: BuildContext,
  place: Ext4Place,
  { remove, empty }: ScrubPlan,
  parent: (file: GuestFile) => number,
): Promise<void> {
  const commands = [
    ...empty.flatMap(({ inode }) => emptied(inode.number)),
    ...remove.flatMap((file) => {
      const name = file.path.slice(file.path.lastIndexOf('/') + 1);
      // A name that could be taken for another command stays; of its file nothing does.
      if (!isPlain(name)) return isFolder(file.inode) ? [] : emptied(file.inode.number);
      return [`cd <${parent(file)}>`, `${isFolder(file.inode) ? 'rmdir' : 'rm'} "${name.replaceAll('"', '""')}"`];
    }),
  ];
  if (commands.length === 0) return;
  await debugfs(ctx, place, commands, true);
  const { exitCode } = await check(ctx, place, '-fn');
  if (exitCode !== 0) await repair(ctx, place);
}

/** Its content, extended attributes apart, is given up; owner and mode stay. */
function emptied(inode: number): string[] {
  return [`punch <${inode}> 0`, `set_inode_field <${inode}> size 0`];
}

/** The texts of files, by their paths. */
export async function readFiles(
  ctx: BuildContext,
  place: Ext4Place,
  files: readonly GuestFile[],
): Promise<Map<string, string>> {
  const folder = join(place.scratch, 'files');
  await mkdir(folder, { recursive: true });
  await debugfs(
    ctx,
    place,
    files.map(({ inode }, index) => `dump <${inode.number}> files/${index}`),
  );
  const texts = files.map(async ({ path }, index) => {
    return [path, await readFile(join(folder, String(index)), 'latin1').catch(() => '')] as const;
  });
  return new Map(await Promise.all(texts));
}

/** Where the content of a file lies in the disk, without its first `skip` blocks; by default all of it. In order. */
export async function contentOf(ctx: BuildContext, place: Ext4Place, inode: number, skip = 0): Promise<Stretch[]> {
  const text = await debugfs(ctx, place, [`stat <${inode}>`]);
  const blocks = parseBlocks(text.slice(text.search(/^(EXTENTS|BLOCKS):$/m)), skip);
  return blocks.map(([first, count]) => stretchOf(place, first, count));
}

/** `(0-11):100-111, (IND):112, (12):113`: first block and count of each stretch of content, by its place on the disk. */
export function parseBlocks(text: string, skip: number): [number, number][] {
  const found = [...text.matchAll(/\((\d+)(?:-(\d+))?(?:\[u\])?\):(\d+)(?:-\d+)?/g)];
  return found
    .flatMap(([, from, to, at]): [number, number][] => {
      const left = Math.max(0, skip - Number(from));
      const count = Number(to ?? from) - Number(from) + 1 - left;
      return count > 0 ? [[Number(at) + left, count]] : [];
    })
    .sort(([a], [b]) => a - b);
}

/** Where no file's content lies, by dumpe2fs(8), in order. COMMAND_FAILED where it does not say. */
export async function freeSpace(ctx: Pick<BuildContext, 'exec' | 'signal'>, place: Ext4Place): Promise<Stretch[]> {
  const args = [device(place)];
  const { stdout } = await ctx.exec('dumpe2fs', args, { timeoutMs: PATIENCE_MS, signal: ctx.signal });
  const free = parseFree(stdout);
  // Of a full group too there is a line.
  if (!free) throw commandFailed(['dumpe2fs', ...args], 'it did not say which blocks are free', stdout);
  return free.map(([first, last]) => stretchOf(place, first, last - first + 1));
}

/** `  Free blocks: 10-12, 20`, a line for each group; undefined: no such line. */
export function parseFree(text: string): [number, number][] | undefined {
  const lines = [...text.matchAll(/^ {2}Free blocks: (.*)$/gm)];
  if (lines.length === 0) return undefined;
  return lines
    .flatMap(([, list = '']) => list.split(', ').filter(Boolean))
    .map((range): [number, number] => {
      const [first = '', last = first] = range.split('-');
      return [Number(first), Number(last)];
    });
}

function stretchOf({ start, superblock: { blockSize } }: Ext4Place, first: number, count: number): Stretch {
  return { start: start + first * blockSize, length: count * blockSize };
}

/** debugfs(8) ends well whatever happens: what it complains of is a failure. */
async function debugfs(
  ctx: BuildContext,
  place: Ext4Place,
  commands: readonly string[],
  write = false,
): Promise<string> {
  if (commands.length === 0) return '';
  const questions = join(place.scratch, 'questions');
  await writeFile(questions, commands.map((line) => `${line}\n`).join(''));
  const args = [...(write ? ['-w'] : []), '-f', questions, device(place)];
  const options = { timeoutMs: PATIENCE_MS, signal: ctx.signal, cwd: place.scratch, env: clock(place) };
  const { stdout, stderr } = await ctx.exec('debugfs', args, options);
  const complaints = stderr.split('\n').filter((line) => line !== '' && !/^debugfs \d/.test(line));
  if (complaints.length > 0) throw commandFailed(['debugfs', ...args], 'it did not do all', complaints.join('\n'));
  return stdout;
}

function check(ctx: BuildContext, place: Ext4Place, words: string) {
  const options = { timeoutMs: PATIENCE_MS, signal: ctx.signal, allowFailure: true, env: clock(place) };
  return ctx.exec('e2fsck', [words, device(place)], options);
}

/** What e2fsprogs take for the time of the day: that of the guest's last change. 0 is no time to them. */
function clock({ superblock: { writtenAt } }: Ext4Place): Record<string, string> {
  const now = String(Math.max(1, writtenAt));
  return { E2FSPROGS_FAKE_TIME: now, E2FSCK_TIME: now };
}

function device({ disk, start }: Ext4Place): string {
  return start === 0 ? disk : `${disk}?offset=${start}`;
}

/** Only what stands between debugfs's quotation marks as itself. */
function isPlain(name: string): boolean {
  return !/\p{Cc}/u.test(name);
}
