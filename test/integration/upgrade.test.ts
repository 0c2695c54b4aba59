import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BakeResult } from '../../packages/builder/src/bake/options.ts';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext, BuildEvent } from '../../packages/builder/src/context.ts';
import { inspectImage } from '../../packages/builder/src/inspect.ts';
import { type UpgradeOptions, upgrade } from '../../packages/builder/src/upgrade/upgrade.ts';
import { startEngine } from '../helpers/engines.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { tarOf, writeLayout } from './image-samples.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';

let folder: string;
let ctx: BuildContext;
let events: BuildEvent[];
let registry: Registry;
/** An image of an older runtime, and the root of a newer one. */
let old: BakeResult;
let archive: string;
let runtime: string;

beforeAll(async () => {
  await requireTool('qemu-img', 'skopeo', 'podman', 'docker');
  folder = await tempFolder('upgrade');
  await makeRawDisk(join(folder, 'disk.raw'));
  const [before, after] = [join(folder, 'before'), join(folder, 'after')];
  for (const home of [before, after]) await mkdir(home);
  const past = await makeContext(before);
  await writeFile(join(past.assetsDir, 'runtime.mjs'), 'console.log("an older runtime");\n');
  archive = join(folder, 'old.tar');
  old = await bake(past, {
    source: join(folder, 'disk.raw'),
    definitions: [],
    runtime: await publishRoot(before, 'amd64', 'older\n'),
    tags: ['me/box:1'],
    labels: { 'org.example.team': 'red' },
    user: 'admin',
    ports: [22, 8080],
    output: archive,
  });
  events = [];
  ctx = await makeContext(after, events);
  runtime = await publishRoot(after);
  registry = await startRegistry();
});

afterAll(() => registry?.stop());

function upgraded(source: string, more: Partial<UpgradeOptions> = {}, inside = ctx) {
  return upgrade(inside, { source, runtime, insecure: true, ...more });
}

const diskOf = (image: Pick<BakeResult, 'layers'>) => image.layers[1];

test('an archive: root and supervisor are new, the disk layer and what is said of it stay', async () => {
  const output = join(folder, 'new.tar');
  const result = await upgraded(archive, { output });
  expect(result).toMatchObject({ reference: 'me/box:1', from: old.digest, changed: true });
  expect(result.changes.map(({ layer }) => layer)).toEqual(['root', 'app']);
  expect(result.changes[0]?.from).toBe(old.layers[0]?.diffID);
  expect(result.disk).toMatchObject({ digest: diskOf(old)?.digest, diffID: diskOf(old)?.diffID });
  const [before, after] = [await inspectImage(ctx, archive), await inspectImage(ctx, output)];
  expect(after).toMatchObject({ digest: result.digest, user: 'admin', ports: [22, 8080], disk: before.disk });
  expect(after.layers[1]).toEqual(before.layers[1]);
  expect(after.layers[0]?.diffID).not.toBe(before.layers[0]?.diffID);
  expect(after.labels).toEqual({ ...before.labels, 'io.virtainers.root': after.layers[0]?.diffID });
  // A bake with the new runtime would have made the same image.
  const [source, tags] = [join(folder, 'disk.raw'), ['me/box:1']];
  const same = { user: 'admin', ports: [22, 8080], labels: { 'org.example.team': 'red' } };
  expect((await bake(ctx, { source, definitions: [], runtime, tags, ...same })).digest).toBe(result.digest);
});

test('a second time nothing changes, and no layer is read', async () => {
  const source = join(folder, 'new.tar');
  const first = await upgraded(source);
  expect(first).toMatchObject({ changed: false, changes: [], from: first.digest, sinks: [] });
  events.length = 0;
  expect(await upgraded(source, { output: source })).toMatchObject({ changed: false, sinks: [{ written: false }] });
  expect(events.filter(({ type }) => type === 'progress')).toEqual([]);
});

test('a registry: the disk layer is not sent again', async () => {
  const [from, to] = [`${registry.address}/me/box:1`, `${registry.address}/me/box:2`];
  await exec('skopeo', [
    'copy',
    '--preserve-digests',
    '--dest-tls-verify=false',
    `oci-archive:${archive}`,
    `docker://${from}`,
  ]);
  const sent: string[] = [];
  const watching: BuildContext = {
    ...ctx,
    exec: async (file, args, options) => {
      const words = file === 'skopeo' && args[0] === 'copy' ? ['--debug', ...args] : args;
      const result = await ctx.exec(file, words, options);
      if (words !== args && args.includes(`docker://${to}`)) sent.push(result.stderr);
      return result;
    },
  };
  const result = await upgraded(from, { push: to }, watching);
  expect(result).toMatchObject({ from: old.digest, changed: true, sinks: [{ target: to, written: true }] });
  const facts = await inspectImage(ctx, to, { insecure: true });
  expect(facts.layers[1]).toMatchObject({ digest: diskOf(old)?.digest });
  // skopeo says which blobs it uploads (PATCH or PUT) and which it found there (HEAD).
  const uploads = sent
    .join('\n')
    .split('\n')
    .filter((line) => /(?:PUT|PATCH) http/.test(line));
  expect(uploads.some((line) => line.includes(facts.layers[0]?.digest.replace(':', '%3A') ?? '?'))).toBe(true);
  expect(uploads.some((line) => line.includes(diskOf(old)?.digest.replace(':', '%3A') ?? '?'))).toBe(false);
});

test.each(['docker', 'podman'] as const)('%s: its own image is upgraded in place', async (kind) => {
  const engine = await startEngine(kind);
  try {
    await engine.load(archive);
    const inside: BuildContext = { ...ctx, exec: engine.exec, spawn: engine.spawn, env: engine.env };
    const result = await upgraded('me/box:1', { load: kind }, inside);
    expect(result).toMatchObject({ reference: expect.stringMatching(/me\/box:1$/), changed: true });
    expect(result.disk).toMatchObject({ digest: diskOf(old)?.digest, diffID: diskOf(old)?.diffID });
    const [facts] = JSON.parse(await engine.command('image', 'inspect', 'me/box:1'));
    expect(facts.RootFS.Layers[1]).toBe(diskOf(old)?.diffID);
    expect(facts.Config.Labels['io.virtainers.root']).toBe(facts.RootFS.Layers[0]);
    expect(await upgraded('me/box:1', { load: kind }, inside)).toMatchObject({
      changed: false,
      sinks: [{ written: false }],
    });
  } finally {
    await engine.stop();
  }
});

test('refused: an image that virtainers did not make, and one with layers of others', async () => {
  const root = join(folder, 'other');
  await mkdir(root);
  const plain = await writeLayout(join(folder, 'plain'), { layers: [await tarOf(root)] });
  await expect(upgraded(plain)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  await expect(upgraded(join(folder, 'disk.raw'))).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  await expect(upgraded('/nowhere.tar')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  await expect(upgraded('Not A Reference')).rejects.toMatchObject({ code: 'ARGUMENTS_BAD' });
});
