import { copyFile, mkdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainLink, chainName, dataPaths, IN_IMAGE } from '@virtainers/core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { hostQemuTool } from '../../packages/builder/src/disk/qemu-tool.ts';
import { takeDisks } from '../../packages/builder/src/publish/image-disks.ts';
import { openOrigin } from '../../packages/builder/src/publish/open-origin.ts';
import { commitChain, packOverlay } from '../../packages/builder/src/publish/overlay-file.ts';
import { exportData, importData } from '../../packages/host/src/data/export.ts';
import { rebaseData } from '../../packages/host/src/data/rebase.ts';
import { publishDisk } from '../../packages/host/src/publish/publish.ts';
import { exec, requireTool, spawn } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';
import { hostContext, makeData, shown, toFiles, write } from './publish-samples.ts';

const MIB = 1024 ** 2;
let folder: string;
let ctx: BuildContext;
/** Of a size that no cluster divides, with bytes up to its end; the other has others there, and is shorter. */
let one: Base;
let other: Base;
const at = (name: string) => join(folder, name);

interface Base {
  readonly archive: string;
  readonly file: string;
  readonly link: ChainLink;
}

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'skopeo', 'flock', 'prlimit');
  folder = await tempFolder('odd-disks');
  ctx = await makeContext(folder);
  const runtime = await publishRoot(folder);
  one = await makeBase('one', 8 * MIB + 512, runtime);
  other = await makeBase('other', 7 * MIB + 20 * 512, runtime);
});

async function makeBase(name: string, size: number, runtime: string): Promise<Base> {
  const raw = at(`${name}.raw`);
  await makeRawDisk(raw);
  await truncate(raw, size);
  const fill = name === 'one' ? '0x11' : '0x22';
  await exec('qemu-io', ['-f', 'raw', '-c', `write -P ${fill} 5M ${size - 5 * MIB}`, raw]);
  const archive = at(`${name}.tar`);
  await bake(ctx, { source: raw, definitions: [], runtime, output: archive });
  const { chain, files } = await takeDisks(ctx, await openOrigin(ctx, archive), at(`${name}-disks`));
  const [file = ''] = files;
  await expectSame(named([file]), `json:${JSON.stringify({ driver: 'raw', file: { driver: 'file', filename: raw } })}`);
  return { archive, file, link: chain[0] as ChainLink };
}

const named = ([top = '', ...below]: readonly string[]) => chainName({ path: top, format: 'qcow2' }, toFiles(below));

/** Also of the same size, of which `compare` warns. */
async function expectSame(first: string, second: string): Promise<void> {
  const { stdout } = await exec('qemu-img', ['compare', first, second], { allowFailure: true });
  expect(stdout.trim()).toBe('Images are identical.');
}

const KINDS = [
  { name: 'as a start makes it', options: 'cluster_size=64k', size: 8 * MIB + 512 },
  { name: 'grown', options: 'cluster_size=64k', size: 12 * MIB },
  { name: 'grown to an odd size', options: 'cluster_size=64k', size: 9 * MIB + 3 * 512 },
  { name: 'of small clusters', options: 'cluster_size=4k', size: 8 * MIB + 512 },
  { name: 'of large clusters', options: 'cluster_size=2M', size: 12 * MIB },
  { name: 'of subclusters', options: 'cluster_size=64k,extended_l2=on', size: 9 * MIB },
] as const;

test.for(KINDS)('an overlay $name shows the same on every way that it goes', async ({ name, options, size }) => {
  const it = (what: string) => at(`${name.replaceAll(' ', '-')}-${what}`);
  const data = await makeData(it('data'), [{ ...one.link, virtualSize: size }], one.archive);
  const { overlay } = dataPaths(data);
  const words = ['-f', 'qcow2', '-o', options, '-u', '-b', IN_IMAGE.disk, '-F', 'qcow2'];
  await exec('qemu-img', ['create', '-q', ...words, overlay, String(size)]);
  await write(
    data,
    [one.file],
    'write -P 0x55 5124k 4k',
    'write -P 0x56 6M 512',
    'write -z 6148k 4k',
    'discard 7M 64k',
  );
  const before = shown(data, [one.file]);

  await exportData(hostContext(ctx), ctx, { source: data, file: it('file') });
  await importData(hostContext(ctx), it('file'), it('imported'));
  await expectSame(before, shown(it('imported'), [one.file]));

  for (const fold of [undefined, 'commit', 'flatten'] as const) {
    const output = it(`${fold}.tar`);
    await publishDisk(hostContext(ctx), ctx, { source: data, reference: 'me/odd:1', output, fold, scrub: false });
    const { files } = await takeDisks(ctx, await openOrigin(ctx, output), it(`${fold}-disks`));
    await expectSame(before, named(files.toReversed()));
  }

  const moved = it('moved');
  await mkdir(moved);
  for (const path of ['overlay', 'sidecar'] as const) await copyFile(dataPaths(data)[path], dataPaths(moved)[path]);
  await rebaseData(hostContext(ctx), ctx, { folder: moved, onto: other.archive });
  await expectSame(before, shown(moved, [other.file]));
});

const sectors = (most: number) => fc.integer({ min: 1, max: most });
const overlays = fc.record({
  base: sectors(4096),
  more: fc.oneof(fc.constant(0), sectors(4096)),
  options: fc.constantFrom('512', '4k', '64k', '2M', '16k,extended_l2=on', '64k,extended_l2=on', '1M,extended_l2=on'),
  commands: fc.array(
    fc.record({
      what: fc.constantFrom('write -P 0x55', 'write -P 0', 'write -z', 'write -z -u', 'discard'),
      start: fc.nat({ max: 8192 }),
      length: fc.oneof(sectors(16), sectors(1024)),
    }),
    { maxLength: 6 },
  ),
});

test('packed, whatever its size, its clusters and what was written, it shows the same on the same disk', async () => {
  const qemu = await hostQemuTool(exec, spawn);
  let round = 0;
  const property = fc.asyncProperty(overlays, async ({ base, more, options, commands }) => {
    round += 1;
    const [work, size] = [at(`round-${round}`), base + more];
    await mkdir(work);
    const [below, overlay] = [join(work, 'base.qcow2'), join(work, 'top.qcow2')];
    await exec('qemu-img', ['create', '-q', '-f', 'qcow2', below, String(base * 512)]);
    await exec('qemu-io', ['-f', 'qcow2', '-c', `write -P 0x33 0 ${base * 512}`, below]);
    const words = ['-f', 'qcow2', '-o', `cluster_size=${options}`, '-b', below, '-F', 'qcow2'];
    await exec('qemu-img', ['create', '-q', ...words, overlay, String(size * 512)]);
    const lines = commands
      .filter(({ start }) => start < size)
      .map(({ what, start, length }) => `${what} ${start * 512} ${Math.min(length, size - start) * 512}\n`);
    if (lines.length > 0) await exec('qemu-io', ['-f', 'qcow2', overlay], { input: lines.join('') });
    const packed = await packOverlay(qemu, overlay, { path: below }, work);
    await expectSame(named([overlay, below]), named([packed.path, below]));
    expect(packed.virtualSize).toBe(size * 512);
    const copy = join(work, 'copy.qcow2');
    await copyFile(below, copy);
    await commitChain(qemu, copy, [packed.path]);
    await expectSame(named([overlay, below]), named([copy]));
  });
  await fc.assert(property, { numRuns: 40 });
});
