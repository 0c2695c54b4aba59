import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dataPaths, IN_IMAGE } from '@virtainers/core';
import { beforeAll, expect, test } from 'vitest';
import { exec, requireTool, spawn, waitFor } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { COMMAND } from '../helpers/virtainer.ts';
import { makeData, noise } from './publish-samples.ts';

let folder: string;
/** One that takes its time to pack, and one that does not. */
let large: string;
let small: string;

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'flock', 'prlimit');
  folder = await tempFolder('killed-export');
  const sha256 = `sha256:${'0'.repeat(64)}` as const;
  const link = { path: IN_IMAGE.disk, format: 'qcow2' as const, sha256, size: 1, virtualSize: 1024 ** 3 };
  [large, small] = [await makeData(join(folder, 'large'), [link]), await makeData(join(folder, 'small'), [link])];
  const { overlay } = dataPaths(large);
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', overlay, '1G']);
  await exec('qemu-io', ['-f', 'qcow2', '-c', `write -s ${await noise(join(folder, 'noise'), 256)} 0 256M`, overlay]);
  await exec('qemu-img', ['rebase', '-u', '-f', 'qcow2', '-b', IN_IMAGE.disk, '-F', 'qcow2', overlay]);
});

const words = (cache: string, data: string) => {
  return [COMMAND, 'export', data, join(folder, 'out'), '--cache-dir', join(folder, cache)];
};

/** An export that is killed while the guest's disk is in the cache. */
async function killed(cache: string, signal: NodeJS.Signals) {
  const child = spawn(process.execPath, words(cache, large), { stdout: 'ignore' });
  const early = child.exited.then(({ exitCode }): number => {
    throw new Error(`the export ended with ${exitCode} before it was killed`);
  });
  early.catch(() => undefined);
  const left = await Promise.race([waitFor('the disk in the cache', () => diskIn(cache), 60_000), early]);
  expect(left).toBeGreaterThan(0);
  child.kill(signal);
  return child.exited;
}

/** Bytes; undefined where there is none. */
async function diskIn(cache: string): Promise<number | undefined> {
  const tmp = join(folder, cache, 'tmp');
  const [work = 'none'] = await readdir(tmp).catch(() => []);
  const disk = await stat(join(tmp, work, 'overlay.qcow2')).catch(() => undefined);
  return disk?.size || undefined;
}

test("a hangup is an orderly end, after which nothing of the guest's disk is left", async () => {
  expect(await killed('hangup', 'SIGHUP')).toMatchObject({ exitCode: 129 });
  expect(await readdir(join(folder, 'hangup', 'tmp'))).toEqual([]);
  expect(await readdir(folder)).not.toContain('out');
});

test('what a kill leaves goes with the next command that works in the cache', async () => {
  expect(await killed('kill', 'SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
  expect(await readdir(join(folder, 'kill', 'tmp'))).toHaveLength(1);
  await exec(process.execPath, words('kill', small));
  expect(await readdir(join(folder, 'kill', 'tmp'))).toEqual([]);
});
