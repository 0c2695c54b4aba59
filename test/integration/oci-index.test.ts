import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestBytes } from '@virtainers/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BakeAllOptions, BakeResult } from '../../packages/builder/src/bake/options.ts';
import { bakeAll } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { inspectImages } from '../../packages/builder/src/inspect.ts';
import { openImage } from '../../packages/builder/src/oci/read-layout.ts';
import { rootfulPodman, startDocker } from '../helpers/engines.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoots } from './oci-samples.ts';

const NAME = 'virtainers/demo:13';

let folder: string;
let ctx: BuildContext;
let archive: string;
let options: BakeAllOptions;
let baked: BakeResult;
let registry: Registry;

beforeAll(async () => {
  await requireTool('qemu-img', 'skopeo', 'podman', 'docker');
  folder = await tempFolder('index');
  ctx = await makeContext(folder);
  archive = join(folder, 'both.tar');
  const source = join(folder, 'disk.raw');
  await makeRawDisk(source);
  const images = (['amd64', 'arm64'] as const).map((arch) => ({ source, arch, tags: [NAME] }));
  options = { images, definitions: [], runtime: await publishRoots(folder) };
  baked = await bakeIt({ output: archive });
  registry = await startRegistry();
});

afterAll(() => registry?.stop());

async function bakeIt(more: Partial<BakeAllOptions>, where = ctx): Promise<BakeResult> {
  const [outcome, ...others] = await bakeAll(where, { ...options, ...more });
  if (!outcome || !('result' in outcome) || others.length > 0) throw new Error(JSON.stringify([outcome, ...others]));
  return outcome.result;
}

test('one name, an index over an image for each architecture, and nothing written twice', async () => {
  expect(baked.platforms?.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64']);
  const again = await bakeIt({ output: archive });
  expect(again).toMatchObject({ digest: baked.digest, cached: true });
  const images = await inspectImages(ctx, archive);
  expect(images.map(({ arch, reference, labels }) => [arch, reference, labels['io.virtainers.arch']])).toEqual([
    ['amd64', NAME, 'amd64'],
    ['arm64', NAME, 'arm64'],
  ]);
  expect((await openImage(archive, 'arm64')).config.architecture).toBe('arm64');
  // The supervisor is the same in both, and in the archive once.
  const { stdout } = await exec('tar', ['-tf', archive]);
  const [amd64, arm64] = images;
  expect(amd64?.layers.at(-1)?.digest).toBe(arm64?.layers.at(-1)?.digest);
  expect(stdout.split('\n').filter((line) => line.includes(amd64?.layers.at(-1)?.digest.slice(7) ?? '-'))).toHaveLength(
    1,
  );
});

test('a push keeps the digest of the index; skopeo and a second push see that it is there', async () => {
  const push = `${registry.address}/me/box:1`;
  const images = options.images.map((image) => ({ ...image, push }));
  const first = await bakeIt({ images, insecure: true });
  expect(first).toMatchObject({ digest: baked.digest, sinks: [{ kind: 'registry', written: true }] });
  const { stdout } = await exec('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${push}`]);
  expect(digestBytes(stdout)).toBe(baked.digest);
  expect((await bakeIt({ images, insecure: true })).sinks[0]?.written).toBe(false);
  const facts = await inspectImages(ctx, push, { insecure: true });
  expect(facts.map(({ arch }) => arch)).toEqual(['amd64', 'arm64']);
});

test('skopeo copies the index out of the archive as it is', async () => {
  const copy = join(folder, 'copy');
  await exec('skopeo', ['copy', '--all', '--preserve-digests', `oci-archive:${archive}`, `dir:${copy}`]);
  expect(digestBytes(await readFile(join(copy, 'manifest.json')))).toBe(baked.digest);
});

test.each([
  ['docker', startDocker],
  ['podman', rootfulPodman],
] as const)('%s gets the image of its own architecture, from the bake and from the archive', async (load, start) => {
  const engine = await start();
  try {
    const inside: BuildContext = { ...ctx, exec: engine.exec, spawn: engine.spawn, env: engine.env };
    const own = process.arch === 'arm64' ? 'arm64' : 'amd64';
    const architecture = () => engine.command('image', 'inspect', '--format', '{{.Architecture}}', NAME);
    expect((await bakeIt({ load }, inside)).sinks).toEqual([{ kind: load, target: NAME, written: true }]);
    expect(await architecture()).toBe(own);
    await engine.command('rmi', NAME);
    await engine.load(archive);
    expect(await architecture()).toBe('amd64');
  } finally {
    await engine.stop();
  }
});
