import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { digestBytes } from '@virtainers/core';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { BakeOptions } from '../../packages/builder/src/bake/options.ts';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import {
  changeAt,
  cutEvery,
  sendInstead,
  stallAt,
  times,
  withoutLength,
  withoutRanges,
} from '../helpers/vendor-faults.ts';
import { type Fault, startVendorServer, type VendorServer } from '../helpers/vendor-server.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';

const PACKERS = { xz: ['xz', '-1k'], gz: ['gzip', '-1k'], zst: ['zstd', '-qk'], bz2: ['bzip2', '-1k'] } as const;
type Kind = keyof typeof PACKERS;

const packed = {} as Record<Kind, Buffer>;
let folder: string;
let runtime: string;
let layer: string | undefined;
let server: VendorServer;
let ctx: BuildContext;
let count = 0;

const urlOf = (kind: string) => `https://cloud.vendor.example/images/box.qcow2.${kind}`;

beforeAll(async () => {
  await requireTool('qemu-img', 'xz', 'gzip', 'zstd', 'bzip2');
  folder = await tempFolder('fetching-compressed');
  runtime = await publishRoot(folder);
  const disk = join(folder, 'box.qcow2');
  await makeRawDisk(join(folder, 'disk.raw'));
  await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', join(folder, 'disk.raw'), disk]);
  for (const [kind, [program, option]] of Object.entries(PACKERS)) {
    await exec(program, [option, disk]);
    packed[kind as Kind] = await readFile(`${disk}.${kind}`);
  }
  const local = await makeContext(join(folder, 'local'));
  layer = (await bake(local, { source: disk, definitions: [], runtime })).layers[1]?.digest;
  const files = Object.entries(packed).map(([kind, bytes]) => [urlOf(kind), bytes]);
  server = await startVendorServer({ files: Object.fromEntries(files) });
});

afterAll(() => server?.end());

beforeEach(async () => {
  server.misbehave(undefined);
  for (const kind of Object.keys(PACKERS)) server.misbehave(undefined, urlOf(kind));
  count += 1;
  ctx = {
    ...(await makeContext(join(folder, String(count)))),
    env: server.env,
    patience: { silenceMs: 5000, pause: async () => undefined },
  };
});

function bakeIt(kind: Kind, bytes = packed[kind], more: Partial<BakeOptions> = {}) {
  const sha256 = digestBytes(bytes).slice(7);
  return bake(ctx, { source: urlOf(kind), definitions: [], runtime, sha256, ...more });
}

/** Bytes that are unpacked, of a download under way. */
async function unpackedSoFar(): Promise<number> {
  const downloads = join(ctx.cacheDir, 'downloads');
  const [part] = await readdir(downloads);
  return (await stat(join(downloads, String(part), 'unpacked'))).size;
}

test.each(Object.keys(PACKERS) as Kind[])('%s is unpacked while it arrives', async (kind) => {
  const [half, seen] = [packed[kind].length / 2, [] as number[]];
  server.misbehave(
    ({ send }) =>
      send({
        onPiece: async (at) => {
          // The second half is sent once some of the first is unpacked.
          if (at < half || seen.length > 0) return;
          seen.push(await vi.waitFor(async () => expect.poll(unpackedSoFar).toBeGreaterThan(0).then(unpackedSoFar)));
        },
      }),
    urlOf(kind),
  );
  expect((await bakeIt(kind)).layers[1]?.digest).toBe(layer);
  expect(seen).toEqual([expect.any(Number)]);
  expect(await readdir(join(ctx.cacheDir, 'downloads'))).toEqual([]);
});

function rawDisk(size: number): Buffer {
  const disk = Buffer.alloc(size);
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

const noise = Buffer.alloc(1_500_000, 'noise');

const PASSING: Record<string, (kind: Kind) => Fault> = {
  'a cut at every tenth': (kind) => cutEvery(Math.ceil(packed[kind].length / 10)),
  'no ranges and two cuts': () => times(2, ({ send }) => send({ ranges: false, until: 1_000_000, ending: 'cut' })),
  'no length': () => withoutLength,
  'no ranges': () => withoutRanges,
  'another file that is replaced midway': () => (exchange) =>
    exchange.count === 1 ? exchange.send({ content: noise, until: 700_000, ending: 'cut' }) : exchange.send(),
  'another compressed file that is replaced midway': (kind) => (exchange) =>
    exchange.count === 1
      ? exchange.send({ content: packed[kind === 'xz' ? 'zst' : 'xz'], until: 700_000, ending: 'cut' })
      : exchange.send(),
};

test.each(Object.keys(PASSING).flatMap((name) => (['xz', 'gz'] as const).map((kind) => [name, kind] as const)))(
  'the right disk in spite of %s (%s)',
  async (name, kind) => {
    server.misbehave(PASSING[name]?.(kind), urlOf(kind));
    expect((await bakeIt(kind)).layers[1]?.digest).toBe(layer);
    expect(await readdir(join(ctx.cacheDir, 'downloads'))).toEqual([]);
  },
);

test('a stall is waited out, and nothing of it stays', async () => {
  ctx = { ...ctx, patience: { ...ctx.patience, silenceMs: 500 } };
  server.misbehave(times(1, stallAt(1_000_000)), urlOf('xz'));
  expect((await bakeIt('xz')).layers[1]?.digest).toBe(layer);
  expect(await readdir(join(ctx.cacheDir, 'downloads'))).toEqual([]);
});

const WRONG: Record<string, Fault> = {
  'a compressed file that changes midway': changeAt(1_000_000, Buffer.alloc(2_300_000, 'next')),
  'bytes that do not unpack': sendInstead(Buffer.concat([Buffer.from('fd377a585a00', 'hex'), noise])),
};

test.each(Object.entries(WRONG))('%s: the sum is what is told, and nothing is kept', async (_name, fault) => {
  server.misbehave(fault, urlOf('xz'));
  await expect(bakeIt('xz')).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  expect(await readdir(join(ctx.cacheDir, 'downloads'))).toEqual([]);
});

test.each([
  ['half a file', () => packed.xz.subarray(0, 1_000_000), /truncated or damaged/],
  ['a bomb that is no disk', () => gzipSync(Buffer.alloc(64 << 20)), /no boot signature/],
  ['a bomb that begins as a disk', () => gzipSync(rawDisk(64 << 20)), /holds more than 8 MiB/],
])('%s with a right sum is refused, and nothing is kept', async (_name, make, says) => {
  const bytes = make();
  server.put(urlOf('zst'), bytes);
  await expect(bakeIt('zst', bytes, { maxVirtualSize: 8 << 20 })).rejects.toMatchObject({
    code: 'DISK_REFUSED',
    message: expect.stringMatching(says),
  });
  expect(await readdir(join(ctx.cacheDir, 'downloads'))).toEqual([]);
  server.put(urlOf('zst'), packed.zst);
});
