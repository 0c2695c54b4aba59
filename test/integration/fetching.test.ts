import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestBytes } from '@virtainers/core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { BakeOptions } from '../../packages/builder/src/bake/options.ts';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import {
  changeAt,
  cutAt,
  cutEvery,
  lieBy,
  loginPage,
  redirectLoop,
  redirectTo,
  sendInstead,
  stallAt,
  status,
  times,
  withoutLength,
  withoutRanges,
  withoutValidators,
} from '../helpers/vendor-faults.ts';
import { type Fault, startVendorServer, type VendorServer } from '../helpers/vendor-server.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';

const URL_OF_DISK = 'https://cloud.vendor.example/images/box.qcow2';

let folder: string;
let runtime: string;
let disk: Buffer;
/** Of the same length as the disk, and of another. */
let noise: Buffer;
let old: Buffer;
/** That of the disk, baked from a path. */
let layer: string | undefined;
let server: VendorServer;
let ctx: BuildContext;
let count = 0;

beforeAll(async () => {
  await requireTool('qemu-img');
  folder = await tempFolder('fetching');
  runtime = await publishRoot(folder);
  await makeRawDisk(join(folder, 'disk.raw'));
  await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', join(folder, 'disk.raw'), join(folder, 'box.qcow2')]);
  disk = await readFile(join(folder, 'box.qcow2'));
  [noise, old] = [Buffer.alloc(disk.length, 'noise'), Buffer.alloc(disk.length - 1000, 'old')];
  const local = await makeContext(join(folder, 'local'));
  layer = (await bake(local, { source: join(folder, 'box.qcow2'), definitions: [], runtime })).layers[1]?.digest;
  server = await startVendorServer({ files: { [URL_OF_DISK]: disk } });
});

afterAll(() => server?.end());

beforeEach(async () => {
  server.misbehave(undefined, URL_OF_DISK);
  count += 1;
  ctx = {
    ...(await makeContext(join(folder, String(count)))),
    env: server.env,
    patience: { silenceMs: 500, pause: async () => undefined },
  };
});

function bakeIt(more: Partial<BakeOptions> = {}, source = URL_OF_DISK) {
  return bake(ctx, { source, definitions: [], runtime, sha256: digestBytes(disk).slice(7), ...more });
}

/** What is left of downloads, finished or not. */
async function left(): Promise<string[]> {
  return readdir(join(ctx.cacheDir, 'downloads')).catch(() => []);
}

test("a vendor's own address is asked through the proxy, and its certificate checked", async () => {
  await bakeIt();
  expect(server.tunnels).toEqual(['cloud.vendor.example:443']);
  expect(await left()).toEqual([]);
});

const FINAL: Record<string, { fault: () => Fault; code: string; says: RegExp }> = {
  '404': { fault: () => status(404), code: 'SOURCE_UNAVAILABLE', says: /answered 404/ },
  'a page to sign in': { fault: () => loginPage, code: 'SOURCE_UNAVAILABLE', says: /HTML page/ },
  'a circle of redirects': { fault: () => redirectLoop, code: 'SOURCE_UNAVAILABLE', says: /circle/ },
  'a redirect to nowhere': {
    fault: () => redirectTo('https://cloud.vendor.example/gone'),
    code: 'SOURCE_UNAVAILABLE',
    says: /answered 404/,
  },
  'another file of the same length': {
    fault: () => sendInstead(noise),
    code: 'DIGEST_MISMATCH',
    says: /expected sha256/,
  },
  'a file that changes midway': { fault: () => changeAt(100_000, noise), code: 'DIGEST_MISMATCH', says: /expected/ },
  'a length that is too small': { fault: () => lieBy(-1000), code: 'DIGEST_MISMATCH', says: /expected sha256/ },
  'no patience': {
    fault: () => status(503, { 'retry-after': '3600' }),
    code: 'SOURCE_UNAVAILABLE',
    says: /asked again in 3600 s/,
  },
};

test('an unverified file is fetched once more only if it has changed', async () => {
  const open = { sha256: undefined, allowUnverified: true };
  server.misbehave(times(1, cutAt(100_000)), URL_OF_DISK);
  const first = await bakeIt(open);
  expect(await bakeIt(open)).toMatchObject({ digest: first.digest, cached: true });
  expect(server.seen.slice(-3).map(({ status }) => status)).toEqual([200, 206, 304]);
});

test.each(Object.entries(FINAL))('%s is told at once, and nothing is kept', async (_name, { fault, code, says }) => {
  server.misbehave(fault(), URL_OF_DISK);
  await expect(bakeIt()).rejects.toMatchObject({ code, message: expect.stringMatching(says) });
  expect(await left()).toEqual([]);
});

const PASSING: Record<string, () => Fault> = {
  'no ranges': () => withoutRanges,
  'no validator': () => withoutValidators,
  'no length': () => withoutLength,
  'a stall': () => times(1, stallAt(disk.length / 2)),
  'a cut': () => times(1, cutAt(100_000)),
  'a cut at every tenth': () => cutEvery(Math.ceil(disk.length / 10)),
  'two cuts without ranges': () =>
    times(2, (exchange) => exchange.send({ ranges: false, until: 100_000, ending: 'cut' })),
  'a length that is too large, once': () => times(1, lieBy(1000)),
  'an older file that is replaced midway': () => (exchange) =>
    exchange.count === 1 ? exchange.send({ content: old, until: 50_000, ending: 'cut' }) : exchange.send(),
  'busy for a while': () => times(3, status(503, { 'retry-after': '1' })),
  'too many requests': () => times(1, status(429, { 'retry-after': '1' })),
};

test.each(Object.entries(PASSING))('the right disk in spite of %s', async (_name, fault) => {
  server.misbehave(fault(), URL_OF_DISK);
  expect((await bakeIt()).layers[1]?.digest).toBe(layer);
  expect(await left()).toEqual([]);
});
