import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainLink, chainName, digestFile, IN_IMAGE, overlayPaths, readQcow2Header } from '@virtainers/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { inspectImage } from '../../packages/builder/src/inspect.ts';
import { findBaseImage } from '../../packages/builder/src/publish/base-image.ts';
import { mountLayers } from '../../packages/builder/src/publish/mount.ts';
import { openOrigin } from '../../packages/builder/src/publish/open-origin.ts';
import { upgrade } from '../../packages/builder/src/upgrade/upgrade.ts';
import { type PublishWords, publishDisk } from '../../packages/host/src/publish/publish.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';
import { hostContext, makeData, noise, shown, toFiles, write } from './publish-samples.ts';

const MIB = 1024 ** 2;
let folder: string;
let ctx: BuildContext;
let registry: Registry;
/** The base image, its disk as a file here and as a link of chains. */
let base: { reference: string; disk: string; link: ChainLink };
let data: string;
const in_ = (name: string) => join(folder, name);

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'skopeo', 'flock', 'prlimit', 'tar');
  folder = await tempFolder('publish');
  ctx = await makeContext(folder);
  registry = await startRegistry();
  const reference = `${registry.address}/team/base:1`;
  await makeRawDisk(in_('disk.raw'));
  const words = { definitions: [], runtime: await publishRoot(folder), insecure: true };
  await bake(ctx, { source: in_('disk.raw'), push: reference, output: in_('base.tar'), ...words });
  const disk = join(await unpack('base.tar', 'base'), IN_IMAGE.disk);
  base = { reference, disk, link: await linkOf(disk, IN_IMAGE.disk) };
  data = await makeData(in_('data'), [base.link], reference);
  await write(data, [disk], `write -s ${await noise(in_('noise'), 1)} 5M 1M`, 'write -P 0 1M 64k', 'write -z 3M 64k');
});

afterAll(() => registry?.stop());

async function linkOf(file: string, path: string): Promise<ChainLink> {
  const virtualSize = Number((await readQcow2Header(file))?.virtualSize);
  return { path, format: 'qcow2', sha256: await digestFile(file), size: (await stat(file)).size, virtualSize };
}

/** All files of an archive's image, as a container has them. */
async function unpack(archive: string, name: string): Promise<string> {
  const [layout, root] = [in_(`${name}-layout`), in_(`${name}-root`)];
  await Promise.all([layout, root].map((each) => mkdir(each)));
  await exec('tar', ['-xf', in_(archive), '-C', layout]);
  const { layers } = await inspectImage(ctx, layout);
  for (const { digest } of layers)
    await exec('tar', ['-xf', join(layout, 'blobs', digest.replace(':', '/')), '-C', root]);
  return root;
}

/** As it is: a disk of noise has no file system to scrub. */
function publish(reference: string, words: Partial<PublishWords> = {}) {
  return publishDisk(hostContext(ctx), ctx, { source: data, reference, insecure: true, scrub: false, ...words });
}

async function expectSame(first: string, second: string): Promise<void> {
  expect((await exec('qemu-img', ['compare', first, second])).stdout).toContain('identical');
}

/** The registry's growth, in bytes. */
async function sent(work: () => Promise<unknown>): Promise<number> {
  const before = await registry.size();
  await work();
  return (await registry.size()) - before;
}

test('the overlay becomes one layer; what the registry has is not sent again', async () => {
  const target = `${registry.address}/me/box:1`;
  let digest = '';
  const first = await sent(async () => {
    ({ digest } = await publish(target, { message: 'noise added' }));
  });
  // The noise and five clusters of tables, not the base with its two megabytes of noise.
  expect(first).toBeGreaterThan(MIB);
  expect(first).toBeLessThan(1.5 * MIB);
  const facts = await inspectImage(ctx, target, { insecure: true });
  const below = await inspectImage(ctx, base.reference, { insecure: true });
  expect(facts.layers.slice(0, -1)).toEqual(below.layers);
  expect(facts.layers.at(-1)?.what).toBe('published overlay');
  expect(facts.digest).toBe(digest);
  const again = await publish(target, { message: 'noise added' });
  expect([again.digest, again.sink.written]).toEqual([digest, false]);
  const otherTag = await sent(() => publish(`${registry.address}/me/box:2`, { message: 'noise added' }));
  expect(otherTag).toBeLessThan(16 * 1024);
});

test('layers are mounted from another repository of the registry, without their bytes', async () => {
  const wanted = { chain: [base.link], references: [base.reference] };
  const image = await findBaseImage(ctx, { ...wanted, insecure: [registry.address] }, folder);
  const target = `${registry.address}/mounted/box:1`;
  const bytes = await sent(() => mountLayers(ctx, image, image.registry ?? '', target, { insecure: true }));
  expect(bytes).toBeLessThan(16 * 1024);
  for (const { digest } of image.layers) {
    const url = `http://${registry.address}/v2/mounted/box/blobs/${digest}`;
    expect((await fetch(url, { method: 'HEAD' })).status).toBe(200);
  }
});

test('after 10 MB of noise at most 16 MB are sent', async () => {
  const large = await makeData(in_('large'), [{ ...base.link, virtualSize: 64 * MIB }], base.reference);
  await write(large, [base.disk], `write -s ${await noise(in_('noise-10'), 10)} 20M 10M`);
  const bytes = await sent(() => publish(`${registry.address}/me/large:1`, { source: large }));
  expect(bytes).toBeGreaterThan(10 * MIB);
  expect(bytes).toBeLessThan(16 * MIB);
});

test('in an archive it is whole, and an overlay on that is the second one; the guest sees the same', async () => {
  const { disk } = await publish('me/box:1', { output: in_('one.tar') });
  await expect(upgrade(ctx, { source: in_('one.tar') })).rejects.toMatchObject({
    code: 'ARCHIVE_INVALID',
    message: expect.stringContaining('published overlays'),
  });
  const root = await unpack('one.tar', 'one');
  const one = join(root, overlayPaths(1).disk);
  expect(await readQcow2Header(one)).toMatchObject({ backingFile: IN_IMAGE.disk, backingFormat: 'qcow2' });
  expect(await digestFile(one)).toBe(disk.sha256);
  await expectSame(shown(data, [base.disk]), chainName({ path: one, format: 'qcow2' }, toFiles([base.disk])));
  const chain = [base.link, await linkOf(one, overlayPaths(1).disk)];
  const reference = `${registry.address}/me/second:1`;
  await publish(reference);
  const next = await makeData(in_('next'), chain, reference);
  await write(next, [one, base.disk], 'write -P 7 6M 128k');
  await publish('me/second:2', { source: next, output: in_('two.tar') });
  const two = join(await unpack('two.tar', 'two'), overlayPaths(2).disk);
  expect((await readQcow2Header(two))?.backingFile).toBe(overlayPaths(1).disk);
  const published = chainName({ path: two, format: 'qcow2' }, toFiles([one, base.disk]));
  await expectSame(shown(next, [one, base.disk]), published);
  for (const fold of ['flatten', 'commit'] as const) {
    const name = `${fold}.tar`;
    await publish('me/flat:1', { source: next, output: in_(name), fold });
    const flat = join(await unpack(name, fold), IN_IMAGE.disk);
    expect((await readQcow2Header(flat))?.backingFile).toBeUndefined();
    await expectSame(chainName({ path: flat, format: 'qcow2' }, []), published);
    const facts = await inspectImage(ctx, in_(name));
    expect(facts.layers).toHaveLength(3);
    expect(facts.disk?.sha256).toBe(await digestFile(flat));
  }
});

test('without the registry the image that was baked here is taken; the digest is the same in another folder', async () => {
  const { digest } = await publish('me/box:1', { output: in_('again.tar') });
  const elsewhere = await makeData(in_('a-much-longer-name-than-the-other'), [base.link]);
  await exec('cp', [join(data, 'local_image.qcow2'), join(elsewhere, 'local_image.qcow2')]);
  const cached = await publish('me/box:1', { source: elsewhere, output: in_('cached.tar') });
  expect(cached.digest).toBe(digest);
  const bytes = await sent(() => publish(`${registry.address}/fresh/box:1`, { source: elsewhere }));
  expect(bytes).toBeLessThan(1.5 * MIB);
});

test('of two images with the same disk the one with the same layers is taken, and the other where there is none', async () => {
  const other = `${registry.address}/team/other-root:1`;
  const runtime = await publishRoot(folder, 'amd64', 'another root\n');
  await bake(ctx, { source: in_('disk.raw'), push: other, definitions: [], runtime, insecure: true });
  const below = await inspectImage(ctx, base.reference, { insecure: true });
  const diffIDs = below.layers.map(({ diffID }) => diffID);
  const wanted = { chain: [base.link], references: [other, base.reference] };
  const find = (more: object) => findBaseImage(ctx, { ...wanted, ...more, insecure: [registry.address] }, folder);
  expect((await find({})).origin).toBe(other);
  expect((await find({ diffIDs })).origin).toBe(base.reference);
  expect((await find({ diffIDs: [...diffIDs, diffIDs[0]] })).origin).toBe(other);

  await publish(`${registry.address}/me/run:1`);
  const { rawConfig } = await openOrigin(ctx, `${registry.address}/me/run:1`, { insecure: true });
  const { config, rootfs } = JSON.parse(rawConfig.toString());
  expect(config.Env.filter((entry: string) => entry.startsWith('VIRTAINERS_LAYERS='))).toEqual([
    `VIRTAINERS_LAYERS=${rootfs.diff_ids.join(',')}`,
  ]);
  expect(rootfs.diff_ids.slice(0, -1)).toEqual(diffIDs);
});

test('a tag that was moved to another disk is passed over, and where nothing else is known it is an error', async () => {
  const other = { ...base.link, sha256: `sha256:${'0'.repeat(64)}` as const };
  const moved = await makeData(in_('moved'), [other], base.reference);
  const failure = await publish('me/box:1', { source: moved }).catch((error) => error);
  expect(failure).toMatchObject({ code: 'BASE_MISMATCH', exitCode: 65 });
  for (const digest of [other.sha256, base.link.sha256]) expect(failure.message).toContain(digest);
});

test("a stranger's overlay, whose header names another file, is refused unread", async () => {
  const stranger = await makeData(in_('stranger'), [base.link], base.reference);
  const overlay = join(stranger, 'local_image.qcow2');
  await exec('qemu-img', ['rebase', '-u', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/hostname', overlay]);
  const failure = await publish('me/box:1', { source: stranger }).catch((error) => error);
  expect(failure).toMatchObject({ code: 'DISK_REFUSED', exitCode: 65 });
  expect(failure.message).toContain('"/etc/hostname"');
});

test('a folder in use, one without an overlay, and a disk that was mounted are refused', async () => {
  const seen = { inode: '1', size: '1', mtime: '1', ctime: '1' };
  const mounted = await makeData(in_('mounted'), [{ ...base.link, seen }]);
  await expect(publish('me/box:1', { source: mounted })).rejects.toThrow(/mounted at \/image/);
  await expect(publish('me/box:1', { source: in_('nothing') })).rejects.toMatchObject({ code: 'ARGUMENTS_BAD' });
});
