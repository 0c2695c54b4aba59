import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestBytes } from '@virtainers/core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BakeOptions } from '../../packages/builder/src/bake/options.ts';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { loadDefinitions } from '../../packages/builder/src/definition/load.ts';
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
const DEFINITION = `
kind: cloud
name: box:1
title: A box
homepage: https://cloud.vendor.example/
license: DFSG-free
osinfo: debian13
user: debian
firmware: [bios]
minRamMiB: 512
minDisk: 2G
architectures: { amd64: { words: {} } }
places: [{ url: https://cloud.vendor.example/images/, find: { kind: fixed, file: box.qcow2 } }]
sums: SHA256SUMS
signature: { kind: none }
resolved: never
`;

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
  const sums = Buffer.from(`${digestBytes(disk).slice(7)}  box.qcow2\n`);
  server = await startVendorServer({
    files: { [URL_OF_DISK]: disk, 'https://cloud.vendor.example/images/SHA256SUMS': sums },
  });
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

function wanted(): BakeOptions {
  return { source: URL_OF_DISK, definitions: [], runtime, sha256: digestBytes(disk).slice(7) };
}

function bakeIt(more: Partial<BakeOptions> = {}) {
  return bake(ctx, { ...wanted(), ...more });
}

/** What is left of downloads, finished or not. */
async function left(): Promise<string[]> {
  return readdir(join(ctx.cacheDir, 'downloads')).catch(() => []);
}

test("a vendor's own address is asked through the proxy, and its certificate checked", async () => {
  await bakeIt();
  // A machine under load may ask twice.
  expect([...new Set(server.tunnels)]).toEqual(['cloud.vendor.example:443']);
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

test('a server that gives no part of the file (416) is given up, and what came before is not mixed in', async () => {
  server.misbehave(status(416), URL_OF_DISK);
  await expect(bakeIt()).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringMatching(/answered 416 to a request for a part \(5 tries\)/),
  });
  server.misbehave(undefined, URL_OF_DISK);
  expect((await bakeIt()).layers[1]?.digest).toBe(layer);
  expect(await left()).toEqual([]);
});

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
  'a part that is refused, once (416)': () => (exchange) =>
    exchange.count === 2
      ? status(416)(exchange)
      : exchange.send(exchange.count === 1 ? { until: 100_000, ending: 'cut' } : {}),
  'too many requests': () => times(1, status(429, { 'retry-after': '1' })),
};

test.each(Object.entries(PASSING))('the right disk in spite of %s', async (_name, fault) => {
  server.misbehave(fault(), URL_OF_DISK);
  expect((await bakeIt()).layers[1]?.digest).toBe(layer);
  expect(await left()).toEqual([]);
});

test.each(['expired', 'foreign'] as const)('a certificate that is %s is called so', async (certificate) => {
  const other = await startVendorServer({ files: { [URL_OF_DISK]: disk }, certificate });
  ctx = { ...ctx, env: other.env };
  await expect(bakeIt()).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringContaining('its certificate does not hold'),
    hint: expect.stringContaining('SSL_CERT_FILE'),
  });
  expect(other.seen).toEqual([]);
  expect(await left()).toEqual([]);
  await other.end();
});

test('without a network, what was baked before is baked again and nothing else', async () => {
  const asked = server.seen.length;
  ctx = { ...ctx, offline: true };
  await expect(bakeIt()).rejects.toMatchObject({ code: 'OFFLINE', message: expect.stringContaining(URL_OF_DISK) });
  expect(server.seen.length).toBe(asked);
  const first = await bake({ ...ctx, offline: false }, wanted());
  expect(await bakeIt()).toMatchObject({ digest: first.digest, cached: true });
});

test('so it is for a name of the catalogue, whose newest file is then the last one that was found', async () => {
  const images = join(folder, 'images');
  await mkdir(images);
  await writeFile(join(images, 'box-1.yaml'), DEFINITION);
  const definitions = await loadDefinitions(images);
  const box = { source: 'box:1', definitions, runtime };
  ctx = { ...ctx, offline: true };
  await expect(bake(ctx, box)).rejects.toMatchObject({
    code: 'OFFLINE',
    message: expect.stringMatching(/^box:1: it was never fetched/),
  });
  const first = await bake({ ...ctx, offline: false }, box);
  const asked = server.seen.length;
  expect(await bake(ctx, box)).toMatchObject({ digest: first.digest, cached: true });
  expect(server.seen.length).toBe(asked);
});

describe('a cache on a disk of 5 MiB', () => {
  beforeEach(async () => {
    await mkdir(ctx.cacheDir, { recursive: true });
    await exec('mount', ['-t', 'tmpfs', '-o', 'size=5m', 'tmpfs', ctx.cacheDir]);
  });

  afterEach(() => exec('umount', [ctx.cacheDir]));

  test('without room for the file, it is not begun', async () => {
    server.misbehave(({ send }) => send({ content: Buffer.alloc(6 << 20) }), URL_OF_DISK);
    await expect(bakeIt()).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringMatching(/it needs 6 MiB in .*downloads, where .* free/),
    });
  });

  test('without room for what is made of it, that is told, and nothing half is left', async () => {
    await expect(bakeIt({ size: 64 << 20 })).rejects.toMatchObject({ code: 'DISK_FULL', exitCode: 73 });
    expect(await readdir(join(ctx.cacheDir, 'disks'))).toEqual([]);
  });

  test('that cannot be written, what is in it is baked, and anything else is refused', async () => {
    const { digest } = await bakeIt();
    await exec('mount', ['-o', 'remount,ro', ctx.cacheDir]);
    expect(await bakeIt()).toMatchObject({ digest, cached: true });
    await expect(bakeIt({ size: 64 << 20 })).rejects.toMatchObject({
      code: 'CACHE_UNWRITABLE',
      message: expect.stringContaining(ctx.cacheDir),
    });
  });
});
