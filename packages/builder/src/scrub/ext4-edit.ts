import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { commandFailed, VirtainersError, writeAll } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { Stretch } from '../diff/changed-blocks.ts';
import { changes, copySparse } from './changes.ts';
import type { GuestFile, ScrubPlan } from './rules.ts';
import { isFolder } from './rules.ts';
import { intersect } from './stretches.ts';
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

/** Where the content of a file lies in the disk, without its first `skip` bytes; by default all of it. In order. */
export async function contentOf(ctx: BuildContext, place: Ext4Place, inode: number, skip = 0): Promise<Stretch[]> {
  const text = await debugfs(ctx, place, [`stat <${inode}>`]);
  const stretches = parseBlocks(text.slice(text.search(/^(EXTENTS|BLOCKS):$/m)), place.superblock.blockSize, skip);
  return stretches.map(({ start, length }) => ({ start: place.start + start, length }));
}

/** `(0-11):100-111, (IND):112, (12):113`: where content lies, by its place on the disk; `skip`: from the file's beginning. */
export function parseBlocks(text: string, blockSize: number, skip: number): Stretch[] {
  const found = [...text.matchAll(/\((\d+)(?:-(\d+))?(?:\[u\])?\):(\d+)(?:-\d+)?/g)];
  return found
    .flatMap(([, from, to, at]): Stretch[] => {
      const left = Math.max(0, skip - Number(from) * blockSize);
      const length = (Number(to ?? from) - Number(from) + 1) * blockSize - left;
      return length > 0 ? [{ start: Number(at) * blockSize + left, length }] : [];
    })
    .sort((a, b) => a.start - b.start);
}

/** Where blocks of files lie in the disk, `block` counted from a file's beginning; undefined: in a hole. */
export async function placesOf(
  ctx: BuildContext,
  place: Ext4Place,
  blocks: readonly { readonly inode: number; readonly block: number }[],
): Promise<(number | undefined)[]> {
  const text = await debugfs(
    ctx,
    place,
    blocks.map(({ inode, block }) => `bmap <${inode}> ${block}`),
  );
  const found = [...text.matchAll(/^(\d+)$/gm)].map(([number]) => Number(number));
  if (found.length !== blocks.length) {
    throw commandFailed(['debugfs', device(place)], 'it did not say where blocks lie', text);
  }
  return found.map((at) => (at === 0 ? undefined : place.start + at * place.superblock.blockSize));
}

/** Where no file's content lies, by dumpe2fs(8), in order. COMMAND_FAILED where it does not say. */
export async function freeSpace(ctx: Pick<BuildContext, 'exec' | 'signal'>, place: Ext4Place): Promise<Stretch[]> {
  const args = [device(place)];
  const { stdout } = await ctx.exec('dumpe2fs', args, { timeoutMs: PATIENCE_MS, signal: ctx.signal });
  const free = parseFree(stdout);
  // Of a full group too there is a line.
  if (!free) throw commandFailed(['dumpe2fs', ...args], 'it did not say which blocks are free', stdout);
  const { start, superblock } = place;
  const { blockSize, clusterSize, size } = superblock;
  const stretches = free.map(([first, last]) => {
    return { start: start + first * blockSize, length: (last - first) * blockSize + clusterSize };
  });
  return intersect(stretches, [{ start, length: size }]);
}

/** `  Free blocks: 10-12, 20`, a line for each group, of each cluster the first; undefined: no such line. */
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
