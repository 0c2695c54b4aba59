import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { digestBytes, digestFile } from '@virtainers/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { peakMemory } from '../helpers/peak-memory.ts';
import { exec, requireTool, spawn, waitFor } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { stallAt } from '../helpers/vendor-faults.ts';
import { startVendorServer, type VendorServer } from '../helpers/vendor-server.ts';
import { COMMAND } from '../helpers/virtainer.ts';
import { publishRoot } from './oci-samples.ts';

const URL_OF_DISK = 'https://cloud.vendor.example/images/box.qcow2';
const URL_OF_LARGE = 'http://cloud.vendor.example/images/large.qcow2';

const ROUNDS = process.env['VIRTAINERS_SOAK'] ? 50 : 5;

let folder: string;
let runtime: string;
let sha256: string;
let server: VendorServer;

beforeAll(async () => {
  await requireTool('xz', 'qemu-img', 'flock');
  folder = await tempFolder('fetching-command');
  runtime = await publishRoot(folder);
  // More than one piece of a download, and more than is lost by a kill.
  const raw = randomBytes(24 << 20);
  raw.writeUInt16LE(0xaa55, 510);
  await writeFile(join(folder, 'disk.raw'), raw);
  await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', join(folder, 'disk.raw'), join(folder, 'box.qcow2')]);
  const disk = await readFile(join(folder, 'box.qcow2'));
  sha256 = digestBytes(disk).slice(7);
  server = await startVendorServer({ files: { [URL_OF_DISK]: disk, [URL_OF_LARGE]: Buffer.alloc(0) } });
});

afterAll(() => server?.end());

/** A bake with a cache named `cache`. */
function words(cache: string, output: string): string[] {
  const image = [URL_OF_DISK, '--sha256', sha256, '--runtime', runtime];
  return [COMMAND, 'bake', ...image, '--cache-dir', join(folder, cache), '--output', join(folder, output)];
}

function bake(cache: string, output: string) {
  return exec(process.execPath, words(cache, output), { env: server.env, allowFailure: true });
}

/** The same, to be killed. */
function start(cache: string, output: string) {
  return spawn(process.execPath, words(cache, output), { env: server.env, stdout: 'ignore' });
}

test('ten bakes at once fetch it once, and those who wait say so', async () => {
  const results = await Promise.all(Array.from({ length: 10 }, (_, index) => bake('ten', `ten-${index}.tar`)));
  for (const { exitCode, stderr } of results) expect(exitCode, stderr).toBe(0);
  expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
  expect(server.seen.map(({ range }) => range)).toEqual([...new Set(server.seen.map(({ range }) => range))]);
  expect(results.some(({ stderr }) => /another bake .*: waiting for its end/.test(stderr))).toBe(true);
  expect(await readdir(join(folder, 'ten', 'downloads'))).toEqual([]);
});

test('the download of a killed bake is taken over where it was', async () => {
  const child = start('taken', 'taken.tar');
  server.misbehave(stallAt(20 << 20), URL_OF_DISK);
  // What came is noted now and then, which only the file shows.
  await waitFor('a first note', () => noted(join(folder, 'taken', 'downloads')), 60_000);
  child.kill('SIGKILL');
  await child.exited;
  server.misbehave(undefined, URL_OF_DISK);
  const asked = server.seen.length;
  const { exitCode, stderr } = await bake('taken', 'taken.tar');
  expect(exitCode, stderr).toBe(0);
  expect(server.seen[asked]?.range).toMatch(/^bytes=[1-9]/);
});

/** Where a download's first stretch ends, by its note; undefined where nothing has come yet. */
async function noted(downloads: string): Promise<number | undefined> {
  const [part = ''] = await readdir(downloads);
  const { ranges } = JSON.parse(await readFile(join(downloads, part, 'state.json'), 'utf8'));
  return ranges[0]?.[1];
}

test(`${ROUNDS} kills at random moments, then a bake that succeeds`, { timeout: ROUNDS * 30_000 }, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const child = start('killed', 'killed.tar');
    // While it fetches, or at any line of what it says.
    let left = round % 2 ? randomInt(400) : randomInt(1, 9);
    const step = () => {
      left -= 1;
      if (left <= 0) child.kill('SIGKILL');
    };
    server.misbehave(({ send }) => send(round % 2 ? { onPiece: step } : {}), URL_OF_DISK);
    child.stderr?.on('data', round % 2 ? () => undefined : step);
    const { exitCode, signal } = await child.exited;
    if (signal !== null) continue;
    // It was done before: the next round begins anew.
    expect(exitCode).toBe(0);
    await rm(join(folder, 'killed'), { recursive: true });
  }
  server.misbehave(undefined, URL_OF_DISK);
  const { exitCode, stdout, stderr } = await bake('killed', 'killed.tar');
  expect(exitCode, stderr).toBe(0);
  expect(stdout).toBe((await bake('ten', 'ten-0.tar')).stdout);
  expect(await readdir(join(folder, 'killed', 'downloads'))).toEqual([]);
  expect((await readdir(join(folder, 'killed', 'disks'))).length).toBe(1);
});

test.each(['path', 'url', 'url, compressed'])(
  'a disk of 512 MiB by %s is baked within 200 MB of memory',
  async (way) => {
    const disk = join(folder, 'large.qcow2');
    const path = way.endsWith('compressed') ? `${disk}.xz` : disk;
    for (const old of [disk, path]) await rm(old, { force: true });
    await exec('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', 'preallocation=metadata', disk, '512M']);
    if (path !== disk) await exec('xz', ['-0', '--threads=0', disk]);
    server.put(URL_OF_LARGE, { path });
    const image = [way === 'path' ? path : URL_OF_LARGE, '--sha256', (await digestFile(path)).slice(7)];
    const cache = ['--cache-dir', join(folder, way), '--output', join(folder, 'large.tar')];
    const peak = await peakMemory(['bake', ...image, '--runtime', runtime, ...cache], server.env);
    expect(peak).toBeLessThan(200_000_000);
    for (const name of [join(folder, way), join(folder, 'large.tar'), path]) await rm(name, { recursive: true });
  },
);

test('what bakes have left is listed, and pruned where it is old', async () => {
  const cache = ['--cache-dir', join(folder, 'ten'), '--json'];
  const ask = async (...asked: string[]) =>
    JSON.parse((await exec(process.execPath, [COMMAND, 'cache', ...asked, ...cache])).stdout);
  const all = await ask('ls');
  expect(all).toContainEqual(expect.objectContaining({ kind: 'disk', about: URL_OF_DISK }));
  expect(await ask('prune')).toEqual([]);
  expect((await ask('prune', '--all', '--dry-run')).length).toBe(all.length);
  expect((await ask('ls')).length).toBe(all.length);
  expect((await ask('prune', '--older-than', '0h')).length).toBe(all.length);
  expect(await ask('ls')).toEqual([]);
  const { exitCode, stderr } = await bake('ten', 'ten-0.tar');
  expect(exitCode, stderr).toBe(0);
});

test('a prune waits for a bake that runs', async () => {
  const pruned: Promise<unknown>[] = [];
  server.misbehave(async ({ send, count }) => {
    if (count === 1) {
      const asked = ['cache', 'prune', '--all', '--cache-dir', join(folder, 'waits')];
      const prune = spawn(process.execPath, [COMMAND, ...asked], { stdout: 'ignore' });
      pruned.push(prune.exited);
      // It goes on to say what it removed.
      const [said] = await once(prune.stderr as Readable, 'data');
      expect(String(said)).toContain('a bake uses the cache: waiting');
      prune.stderr?.resume();
    }
    await send();
  }, URL_OF_DISK);
  const { exitCode, stderr } = await bake('waits', 'waits.tar');
  expect(exitCode, stderr).toBe(0);
  expect(await Promise.all(pruned)).toEqual([{ exitCode: 0, signal: null }]);
  expect(await readdir(join(folder, 'waits', 'disks'))).toEqual([]);
});
