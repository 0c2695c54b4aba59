import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestBytes } from '@virtainers/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { startVendorServer, type VendorServer } from '../helpers/vendor-server.ts';
import { COMMAND } from '../helpers/virtainer.ts';
import { makeRawDisk, publishRoot } from './oci-samples.ts';

const URL_OF_DISK = 'https://cloud.vendor.example/images/box.qcow2';

let folder: string;
let words: string[];
let server: VendorServer;

beforeAll(async () => {
  await requireTool('qemu-img', 'flock');
  folder = await tempFolder('fetching-command');
  await makeRawDisk(join(folder, 'disk.raw'));
  await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', join(folder, 'disk.raw'), join(folder, 'box.qcow2')]);
  const disk = await readFile(join(folder, 'box.qcow2'));
  words = [URL_OF_DISK, '--sha256', digestBytes(disk).slice(7), '--runtime', await publishRoot(folder)];
  server = await startVendorServer({ files: { [URL_OF_DISK]: disk } });
});

afterAll(() => server?.end());

/** The digest and what is said, of a bake with a cache named `cache`. */
async function bake(cache: string, output: string) {
  const args = ['bake', ...words, '--cache-dir', join(folder, cache), '--output', join(folder, output)];
  return exec(process.execPath, [COMMAND, ...args], { env: server.env, allowFailure: true });
}

test('ten bakes at once fetch it once, and those who wait say so', async () => {
  const results = await Promise.all(Array.from({ length: 10 }, (_, index) => bake('ten', `ten-${index}.tar`)));
  for (const { exitCode, stderr } of results) expect(exitCode, stderr).toBe(0);
  expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
  expect(server.seen.length).toBe(1);
  expect(results.some(({ stderr }) => /another bake .*: waiting for its end/.test(stderr))).toBe(true);
  expect(await readdir(join(folder, 'ten', 'downloads'))).toEqual([]);
});
