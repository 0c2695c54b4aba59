import { access, mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { makeLog } from '@virtainers/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { spawn, waitFor } from '../../../test/helpers/process.ts';
import { type Owner, processOf, thisProcess } from './owner.ts';
import { markOf, sweepWorkFolders, withCacheFolder, withWorkFolder } from './work-folder.ts';

let folder: string;
let ctx: Parameters<typeof sweepWorkFolders>[0];
const TWO_DAYS_AGO = Date.now() / 1000 - 2 * 24 * 3600;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'virtainers-work-'));
  ctx = { cacheDir: join(folder, 'cache'), env: { TMPDIR: folder }, log: makeLog(() => undefined) };
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** What a bake of `owner` has made so far. */
async function leave(owner: Owner, parent = join(ctx.cacheDir, 'disks')): Promise<string> {
  const path = join(parent, `${'a'.repeat(64)}.${markOf(owner)}.x1Y2z3`);
  await mkdir(join(path, 'deeper'), { recursive: true });
  await writeFile(join(path, 'deeper', 'disk.qcow2'), 'half');
  return path;
}

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

async function isSwept(path: string): Promise<boolean> {
  await sweepWorkFolders(ctx);
  return !(await isThere(path));
}

test.each(['disks', 'roots', 'tools', 'tmp'] as const)(
  'in %s the folder of a living bake is left alone, that of a killed one is not',
  async (workshop) => {
    const child = spawn('cat', [], { stdin: 'pipe' });
    const path = await leave(await processOf(child.pid ?? 0), join(ctx.cacheDir, workshop));
    expect(await isSwept(path)).toBe(false);
    child.kill('SIGKILL');
    await child.exited;
    expect(await isSwept(path)).toBe(true);
  },
);

test('so it is in TMPDIR, where nothing else is touched', async () => {
  const child = spawn('cat', [], { stdin: 'pipe' });
  const path = await leave(await processOf(child.pid ?? 0), folder);
  const others = ['virtainers-AbCdEf', 'virtainers-engine-0', 'a.bake-nothex-1-1.AbCdEf', 'cake.bake-0123456789ab-1'];
  for (const name of others) await mkdir(join(folder, name));
  expect(await isSwept(path)).toBe(false);
  child.kill('SIGKILL');
  await child.exited;
  expect(await isSwept(path)).toBe(true);
  expect(await readdir(folder)).toEqual(expect.arrayContaining(others));
});

test('a bake that has ended and is not yet asked for its exit code is dead', async () => {
  const note = join(folder, 'note');
  await writeFile(note, 'becomes tail, which never asks\n');
  const script = 'exec 3<&0; head -n 1 <&3 >&2 & echo $!; exec tail -n 1 -f "$0"';
  const parent = spawn('sh', ['-c', script, note], { stdin: 'pipe' });
  if (!parent.stdout) throw new Error('no output');
  const lines = createInterface({ input: parent.stdout })[Symbol.asyncIterator]();
  const path = await leave(await processOf(Number((await lines.next()).value)));
  await lines.next();
  expect(await isSwept(path)).toBe(false);
  parent.stdin?.write('end\n');
  await waitFor('the sweep', async () => ((await isSwept(path)) ? true : undefined), 10_000);
  parent.kill('SIGKILL');
  await parent.exited;
});

test('a number that went to another process does not keep a folder', async () => {
  const own = await thisProcess();
  expect(await isSwept(await leave({ ...own, start: own.start - 1 }))).toBe(true);
  expect(await isSwept(await leave(own))).toBe(false);
});

test('what another host or container made is left until it is older than any bake', async () => {
  const path = await leave({ host: '0123456789ab', pid: 4_194_305, start: 1 });
  expect(await isSwept(path)).toBe(false);
  await utimes(path, TWO_DAYS_AGO, TWO_DAYS_AGO);
  expect(await isSwept(path)).toBe(true);
});

test('a folder is kept while it is used, however old it looks, and goes with its use', async () => {
  const seen: string[] = [];
  const use = async (path: string) => {
    seen.push(path);
    await utimes(path, TWO_DAYS_AGO, TWO_DAYS_AGO);
    expect(await isSwept(path)).toBe(false);
  };
  await withCacheFolder(ctx, 'tmp', 'push', use);
  await withWorkFolder(ctx, use);
  const failing = withCacheFolder(ctx, 'disks', 'key', async (path) => {
    await use(path);
    throw new Error('the bake failed');
  });
  await expect(failing).rejects.toThrow('the bake failed');
  expect(seen).toHaveLength(3);
  expect(await Promise.all(seen.map(isThere))).toEqual([false, false, false]);
});

test('under its new name it stays', async () => {
  const done = join(ctx.cacheDir, 'disks', 'key');
  await withCacheFolder(ctx, 'disks', 'key', (path) => rename(path, done));
  await sweepWorkFolders(ctx);
  expect(await isThere(done)).toBe(true);
});
