import { chmod, copyFile, mkdir, open as openFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainLink, describeOverlay, digestFile, type Log, overlayPaths } from '@virtainers/core';
import { beforeAll, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { takeDisks } from '../../packages/builder/src/publish/image-disks.ts';
import { openOrigin } from '../../packages/builder/src/publish/open-origin.ts';
import { rebaseData } from '../../packages/host/src/data/rebase.ts';
import { publishDisk } from '../../packages/host/src/publish/publish.ts';
import { openDisk } from '../../packages/runtime/src/disk/open-disk.ts';
import { exec, requireTool, spawn } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';
import { hostContext, makeData, shown, write } from './publish-samples.ts';

const log: Log = { info: () => undefined, warn: () => undefined, debug: () => undefined };
let folder: string;
let ctx: BuildContext;
/** Two bakes whose disks differ in one byte. */
let one: Image;
let two: Image;
const at = (name: string) => join(folder, name);

interface Image {
  readonly archive: string;
  readonly chain: readonly ChainLink[];
  /** The chain's files here, the base disk first. */
  readonly files: readonly string[];
}

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'skopeo', 'flock', 'setpriv');
  folder = await tempFolder('wrong-base');
  await chmod(folder, 0o755);
  ctx = await makeContext(folder);
  const runtime = await publishRoot(folder);
  const make = async (name: string) => {
    const archive = at(`${name}.tar`);
    await bake(ctx, { source: at(`${name}.raw`), definitions: [], runtime, output: archive });
    return imageOf(name, archive);
  };
  await makeRawDisk(at('one.raw'));
  await copyFile(at('one.raw'), at('two.raw'));
  await flipByte(at('two.raw'), 3 * 1024 ** 2);
  [one, two] = [await make('one'), await make('two')];
});

async function imageOf(name: string, archive: string): Promise<Image> {
  const { chain, files } = await takeDisks(ctx, await openOrigin(ctx, archive), at(`${name}-disks`));
  for (const path of [at(`${name}-disks`), ...files]) await chmod(path, 0o755);
  return { archive, chain, files };
}

async function flipByte(path: string, where: number): Promise<void> {
  const handle = await openFile(path, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, where);
  await handle.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, where);
  await handle.close();
}

/** A data folder on the image, and what its guest sees, as a file that stays. */
async function sample(name: string, { chain, files, archive }: Image): Promise<{ data: string; seen: string }> {
  const data = await makeData(at(name), chain, archive);
  await write(data, files.toReversed(), 'write -P 0x55 4M 64k', 'write -P 0 2M 128k');
  const seen = at(`${name}.seen`);
  await exec('qemu-img', ['convert', '-O', 'raw', shown(data, files.toReversed()), seen]);
  return { data, seen };
}

/** A start of that folder over an image's disk, and over the overlays of a folder. */
function start(data: string, path: string, link: ChainLink, more: { verify?: boolean; overlays?: string } = {}) {
  const { sha256, size, virtualSize } = link;
  const base = { kind: 'baked', path, sha256, size, virtualSize, ...more } as const;
  const users = { asRoot: true, qemu: { uid: 107, gid: 107 } };
  const rest = { diskSize: undefined, reference: undefined, holder: 'box', mountinfo: '', log };
  return openDisk(exec, spawn, { imageDir: data, base, ...users, ...rest });
}

async function expectShows(disk: string, seen: string): Promise<void> {
  const raw = `json:${JSON.stringify({ driver: 'raw', file: { driver: 'file', filename: seen } })}`;
  expect((await exec('qemu-img', ['compare', disk, raw])).stdout).toContain('identical');
}

const first = ({ chain, files }: Image) => [files[0] ?? '', chain[0] as ChainLink] as const;

test('by another bake, one byte apart: 65, both digests, and the way out that is named works', async () => {
  const { data, seen } = await sample('bake', one);
  const failure = await start(data, ...first(two)).catch((error) => error);
  expect(failure).toMatchObject({ code: 'BASE_MISMATCH', exitCode: 65 });
  for (const { chain } of [one, two]) expect(failure.message).toContain(chain[0]?.sha256);
  expect(failure.hint).toMatch(
    /run the image that it was made with.*virtainers rebase FOLDER IMAGE.*another data folder/,
  );
  await rebaseData(hostContext(ctx), ctx, { folder: data, onto: two.archive });
  await (await start(data, ...first(two))).release();
  await expectShows(shown(data, two.files), seen);
});

test('by the same bake, one byte changed in place: 65 with VERIFY=full, both digests; flattened it runs anywhere', async () => {
  const { data, seen } = await sample('changed', one);
  const changed = at('changed.qcow2');
  await copyFile(first(one)[0], changed);
  await flipByte(changed, first(one)[1].size - 1);
  const failure = await start(data, changed, first(one)[1], { verify: true }).catch((error) => error);
  expect(failure).toMatchObject({ code: 'BASE_MISMATCH', exitCode: 65 });
  for (const digest of [first(one)[1].sha256, await digestFile(changed)]) expect(failure.message).toContain(digest);
  expect(failure.hint).toMatch(/pull it again/);
  const output = at('flat.tar');
  await publishDisk(hostContext(ctx), ctx, { source: data, reference: 'me/flat:1', fold: 'flatten', output });
  const flat = await imageOf('flat', output);
  expect(flat.chain).toHaveLength(1);
  await expectShows(first(flat)[0], seen);
});

test('from an image with published overlays back to one without: refused at first, then rebased', async () => {
  const { data: machine } = await sample('machine', one);
  const output = at('published.tar');
  await publishDisk(hostContext(ctx), ctx, { source: machine, reference: 'me/box:1', output });
  const published = await imageOf('published', output);
  expect(published.chain).toHaveLength(2);
  const { data, seen } = await sample('on-published', published);
  const failure = await start(data, ...first(one)).catch((error) => error);
  expect(failure).toMatchObject({ code: 'BASE_MISMATCH', exitCode: 65 });
  for (const digest of [published.chain[1]?.sha256, one.chain[0]?.sha256]) expect(failure.message).toContain(digest);
  await rebaseData(hostContext(ctx), ctx, { folder: data, onto: one.archive });
  await (await start(data, ...first(one))).release();
  await expectShows(shown(data, one.files), seen);
});

/** The image's published overlays as a container has them, in this order: numbers into its chain. */
async function layOverlays(name: string, { chain, files }: Image, order: readonly number[]): Promise<string> {
  await mkdir(at(name), { mode: 0o755 });
  for (const [index, number] of order.entries()) {
    const { disk, description } = overlayPaths(index + 1, at(name));
    await copyFile(files[number] ?? '', disk);
    const on = chain[number - 1]?.sha256 as ChainLink['sha256'];
    await writeFile(description, JSON.stringify(describeOverlay({ ...(chain[number] as ChainLink), on })));
  }
  return at(name);
}

test('by published overlays in another order: 65, both digests; then flattened, and rebased', async () => {
  const publish = async (name: string, image: Image) => {
    const { data } = await sample(`${name}-machine`, image);
    await write(data, image.files.toReversed(), `write -P ${image.chain.length} 6M 64k`);
    await publishDisk(hostContext(ctx), ctx, { source: data, reference: `me/${name}:1`, output: at(`${name}.tar`) });
    return imageOf(name, at(`${name}.tar`));
  };
  const twice = await publish('twice', await publish('once', one));
  expect(twice.chain).toHaveLength(3);
  const { data, seen } = await sample('on-twice', twice);
  const overlays = await layOverlays('reordered', twice, [2, 1]);
  const failure = await start(data, ...first(one), { overlays }).catch((error) => error);
  expect(failure).toMatchObject({ code: 'BASE_MISMATCH', exitCode: 65 });
  for (const number of [0, 1]) expect(failure.message).toContain(twice.chain[number]?.sha256);
  expect(failure.hint).toMatch(/pull/);

  const output = at('reordered-flat.tar');
  await publishDisk(hostContext(ctx), ctx, { source: data, reference: 'me/reordered:1', fold: 'flatten', output });
  await expectShows(first(await imageOf('reordered-flat', output))[0], seen);

  await rebaseData(hostContext(ctx), ctx, { folder: data, onto: one.archive });
  await (await start(data, ...first(one))).release();
  await expectShows(shown(data, one.files), seen);
});
