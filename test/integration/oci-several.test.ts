import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { BakeAllOptions, BakeOutcome, BakeResult } from '../../packages/builder/src/bake/options.ts';
import { bakeAll } from '../../packages/builder/src/bake.ts';
import type { BuildContext, BuildEvent } from '../../packages/builder/src/context.ts';
import { indexTar } from '../../packages/builder/src/oci/tar-index.ts';
import { rootfulPodman, startDocker } from '../helpers/engines.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';

let folder: string;
let ctx: BuildContext;
let events: BuildEvent[];
let options: BakeAllOptions;
let archive: string;
let baked: BakeResult[];

beforeAll(async () => {
  await requireTool('qemu-img', 'skopeo', 'podman', 'docker');
  folder = await tempFolder('several');
  events = [];
  ctx = await makeContext(folder, events);
  const sources = ['debian-13-one', 'debian-13-two'].map((name) => join(folder, `${name}.qcow2`));
  for (const [index, source] of sources.entries()) {
    const raw = join(folder, 'disk.raw');
    await makeRawDisk(raw);
    if (index > 0) await exec('truncate', ['--size=+1M', raw]);
    await exec('qemu-img', ['convert', '-c', '-f', 'raw', '-O', 'qcow2', raw, source]);
  }
  const images = sources.map((source) => ({ source, tags: ['virtainers/{name}:13'], labels: { team: 'a' } }));
  options = { images, definitions: [], runtime: await publishRoot(folder) };
  archive = join(folder, 'all.tar');
  baked = results(await bakeAll(ctx, { ...options, output: archive }));
});

function results(outcomes: readonly BakeOutcome[]): BakeResult[] {
  return outcomes.map((outcome) => {
    if ('error' in outcome) throw outcome.error;
    return outcome.result;
  });
}

test('one archive: the root and the supervisor are made and written once, and each image has its own digest', async () => {
  expect(baked.map(({ reference }) => reference)).toEqual([
    'virtainers/debian-13-one:13',
    'virtainers/debian-13-two:13',
  ]);
  expect(events.filter(({ step, type }) => step === 'root' && type === 'end')).toHaveLength(1);
  const disks = events.filter(({ step, type }) => step === 'disk' && type === 'end').map(({ image }) => image);
  expect(new Set(disks)).toEqual(new Set(['debian-13-one', 'debian-13-two']));
  const blobs = [...(await indexTar(archive)).keys()].filter((name) => name.startsWith('blobs/'));
  const layers = new Set(baked.flatMap((image) => image.layers.map(({ digest }) => digest)));
  expect(layers.size).toBe(4);
  expect(blobs).toHaveLength(layers.size + 2 * 2);
});

test('nothing is written a second time, and each image alone has the same digest', async () => {
  const before = await stat(archive, { bigint: true });
  const again = results(await bakeAll(ctx, { ...options, output: archive }));
  expect(again.map(({ cached, digest }) => [cached, digest])).toEqual(baked.map(({ digest }) => [true, digest]));
  expect((await stat(archive, { bigint: true })).mtimeNs).toBe(before.mtimeNs);
  for (const [index, image] of options.images.entries()) {
    const [alone] = results(await bakeAll(ctx, { ...options, images: [image] }));
    expect(alone?.digest).toBe(baked[index]?.digest);
  }
});

test('skopeo finds each by its name, Docker and Podman load all of them', async () => {
  for (const { reference, digest } of baked) {
    const { stdout } = await exec('skopeo', ['inspect', `oci-archive:${archive}:${reference}`]);
    expect(JSON.parse(stdout).Digest).toBe(digest);
    await exec('skopeo', ['inspect', '--config', `docker-archive:${archive}:${reference}`]);
  }
  for (const start of [startDocker, rootfulPodman]) {
    const engine = await start();
    try {
      await engine.load(archive);
      for (const { reference, name } of baked) {
        const [facts] = JSON.parse(await engine.command('image', 'inspect', reference));
        expect(facts.Config.Labels).toMatchObject({ 'io.virtainers.name': name, team: 'a' });
      }
    } finally {
      await engine.stop();
    }
  }
});

test('a folder: an archive for each, the one that its image alone would give', async () => {
  const output = join(folder, 'archives');
  results(await bakeAll(ctx, { ...options, output }));
  expect((await readdir(output)).sort()).toEqual(['debian-13-one-13.tar', 'debian-13-two-13.tar']);
  const alone = join(folder, 'alone.tar');
  const [first] = options.images;
  if (first) await bakeAll(ctx, { ...options, images: [first], output: alone });
  expect((await readFile(alone)).equals(await readFile(join(output, 'debian-13-one-13.tar')))).toBe(true);
});

test('one that fails costs the others nothing', async () => {
  const broken = join(folder, 'broken.qcow2');
  await writeFile(broken, 'QFI\xfb');
  const output = join(folder, 'rest.tar');
  const images = [{ source: broken }, ...options.images];
  const [first, ...others] = await bakeAll(ctx, { ...options, images, output });
  expect(first).toMatchObject({ source: broken, error: { code: 'DISK_REFUSED' } });
  expect(results(others).map(({ digest }) => digest)).toEqual(baked.map(({ digest }) => digest));
  await exec('cmp', [output, archive]);
});

test('what concerns all is said before anything is made', async () => {
  const [first, second] = options.images;
  const same = [first, second].map((image) => ({ source: image?.source ?? '', tags: ['me/box:1'] }));
  await expect(bakeAll(ctx, { ...options, images: same })).rejects.toMatchObject({
    code: 'ARGUMENTS_BAD',
    message: expect.stringContaining('would both be me/box:1'),
  });
  const unknown = ['nothing:1', 'nothing:2'].map((source) => ({ source }));
  await expect(bakeAll(ctx, { ...options, images: unknown })).rejects.toMatchObject({
    code: 'IMAGE_UNKNOWN',
    message: expect.stringMatching(/nothing:1[\s\S]*nothing:2/),
  });
  await expect(bakeAll(ctx, { ...options, runtime: join(folder, 'none.tar') })).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
  });
});
