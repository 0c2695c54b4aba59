import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestFile } from '@virtainers/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BakeOptions } from '../../packages/builder/src/bake/options.ts';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext, BuildEvent } from '../../packages/builder/src/context.ts';
import { inspectImage } from '../../packages/builder/src/inspect.ts';
import { startEngine } from '../helpers/engines.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { type Packing, tarOf, writeLayout } from './image-samples.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';

let folder: string;
let ctx: BuildContext;
let runtime: string;
let events: BuildEvent[];
let disk: string;
let sha256: Digest;
let tar: string;
let registry: Registry;

beforeAll(async () => {
  await requireTool('qemu-img', 'skopeo', 'tar', 'gzip', 'zstd', 'podman', 'docker');
  folder = await tempFolder('image-disk');
  events = [];
  ctx = await makeContext(folder, events);
  runtime = await publishRoot(folder);
  await makeRawDisk(join(folder, 'disk.raw'));
  disk = join(folder, 'disk.qcow2');
  await exec('qemu-img', ['convert', '-c', '-f', 'raw', '-O', 'qcow2', join(folder, 'disk.raw'), disk]);
  sha256 = await digestFile(disk);
  tar = await layer('plain', { 'disk/disk.img': disk });
  registry = await startRegistry();
});

afterAll(() => registry?.stop());

/** A tar of files: a path in the image, and a file to copy or a text. */
async function layer(name: string, files: Record<string, string>, ...more: string[]): Promise<string> {
  const root = join(folder, `layer-${name}`);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(root, path, '..'), { recursive: true });
    if (content.startsWith('/')) await copyFile(content, join(root, path));
    else await writeFile(join(root, path), content);
  }
  return tarOf(root, ...more);
}

function bakeImage(source: string, more: Partial<BakeOptions> = {}) {
  return bake(ctx, { source, definitions: [], runtime, insecure: true, ...more });
}

/** What is known of the disk that an image was baked of. */
async function labelsOf(source: string, more: Partial<BakeOptions> = {}) {
  const output = join(folder, 'labels.tar');
  await bakeImage(source, { ...more, output });
  return (await inspectImage(ctx, output)).labels;
}

test.each(['gzip', 'zstd', 'plain'] as const)(
  'a containerDisk whose layer is %s: its disk is taken',
  async (packing: Packing) => {
    const layout = await writeLayout(join(folder, `fedora-40-${packing}`), { layers: [tar], packing });
    expect(await labelsOf(layout)).toMatchObject({
      'io.virtainers.disk.sha256': sha256,
      'io.virtainers.user': 'fedora',
      'io.virtainers.osinfo': 'fedora40',
      'io.virtainers.source': `fedora-40-${packing}`,
      'io.virtainers.source.sha256': sha256.slice(7),
      'io.virtainers.source.image': (await inspectImage(ctx, layout)).digest,
    });
  },
);

test('the same image by every way that leads to it', async () => {
  const layout = await writeLayout(join(folder, 'ways'), { layers: [await layer('lower', { 'etc/issue': 'x' }), tar] });
  const push = (format: string, name: string) =>
    exec('skopeo', ['copy', '--dest-tls-verify=false', '--format', format, `oci:${layout}`, `docker://${name}`]);
  const [oci, docker] = [`${registry.address}/disks/fedora:40`, `${registry.address}/disks/fedora:docker`];
  await push('oci', oci);
  await push('v2s2', docker);
  const archives = [join(folder, 'ways-oci.tar'), join(folder, 'ways-docker.tar')] as const;
  await exec('skopeo', ['copy', `oci:${layout}`, `oci-archive:${archives[0]}`]);
  await exec('skopeo', ['copy', `oci:${layout}`, `docker-archive:${archives[1]}:disks/fedora:40`]);
  const { digest } = await inspectImage(ctx, layout);
  const sources = [
    ...[`oci:${layout}`, `oci-archive:${archives[0]}`, archives[0], `oci://${oci}`, `docker://${docker}`],
    ...[`oci://${oci}@${digest}`, `docker-archive:${archives[1]}`, archives[1]],
    `docker-archive:${archives[1]}:disks/fedora:40`,
  ];
  for (const source of sources) {
    expect((await labelsOf(source))['io.virtainers.disk.sha256'], source).toBe(sha256);
  }
  expect(await labelsOf(`oci://${oci}`)).toMatchObject({
    'io.virtainers.name': 'fedora:40',
    'io.virtainers.source': oci,
    'io.virtainers.source.image': digest,
  });
  expect(await readdir(join(ctx.cacheDir, 'tmp'))).toEqual([]);
  expect(await readdir(join(ctx.cacheDir, 'downloads'))).toEqual([]);
});

test('a second bake reads digests only', async () => {
  const source = `oci://${registry.address}/disks/fedora:40`;
  const first = await bakeImage(source);
  events.length = 0;
  expect(await bakeImage(source)).toMatchObject({ digest: first.digest, cached: true });
  expect(events.map(({ step }) => step)).not.toContain('fetch');
  expect(first.reference).toBe('virtainers/fedora:40');
  // What has become of the cache's disk is fetched again.
  await exec('rm', ['-r', join(ctx.cacheDir, 'disks')]);
  expect((await bakeImage(source)).digest).toBe(first.digest);
  expect(events.map(({ step }) => step)).toContain('fetch');
  await expect(bakeImage(source, { sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  await bakeImage(source, { sha256: sha256.slice(7) });
});

test('of an index the image for linux/amd64 is taken', async () => {
  const other = await layer('other', { 'disk/disk.img': 'no disk at all' });
  const layout = await writeLayout(
    join(folder, 'several'),
    { layers: [other], architecture: 'amd64', os: 'windows' },
    { layers: [other], architecture: 'arm64' },
    { layers: [tar] },
  );
  expect(await labelsOf(layout)).toMatchObject({ 'io.virtainers.disk.sha256': sha256 });
  const name = `${registry.address}/disks/several:1`;
  await exec('skopeo', ['copy', '--all', '--dest-tls-verify=false', `oci:${layout}`, `docker://${name}`]);
  expect(await labelsOf(`oci://${name}`)).toMatchObject({ 'io.virtainers.disk.sha256': sha256 });
  const foreign = await writeLayout(join(folder, 'foreign'), { layers: [tar], architecture: 'arm64' });
  const refused = { code: 'ARCHIVE_INVALID', hint: 'say so: --arch arm64' };
  await expect(bakeImage(foreign)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  const alone = `${registry.address}/disks/alone:1`;
  await exec('skopeo', [
    'copy',
    '--override-arch=arm64',
    '--dest-tls-verify=false',
    `oci:${foreign}`,
    `docker://${alone}`,
  ]);
  await expect(bakeImage(`oci://${alone}`)).rejects.toMatchObject(refused);
  const arm64 = { arch: 'arm64', runtime: await publishRoot(join(folder, 'layer-other'), 'arm64') } as const;
  await bakeImage(`oci://${alone}`, arm64);
  await expect(bakeImage(`oci://${alone}`)).rejects.toMatchObject(refused);
});

test.each([
  ['a file above a removed one', { 'disk/old.img': 'old' }, { 'disk/.wh.old.img': '', 'disk/disk.img': 'DISK' }],
  ['a file in the same place', { 'disk/disk.img': 'old' }, { 'disk/disk.img': 'DISK' }],
  ['an opaque folder', { 'disk/a': '1', 'disk/b': '2' }, { 'disk/.wh..wh..opq': '', 'disk/disk.img': 'DISK' }],
  ['a folder that was removed whole', { 'disk/a': '1' }, { '.wh.disk': '', 'disk/disk.img': 'DISK' }],
  ['a folder where a file was', { disk: 'a file' }, { 'disk/disk.img': 'DISK' }],
  ['a layer that has nothing to do with it', { 'disk/disk.img': 'DISK' }, { 'etc/.wh.passwd': '', 'diskette/x': 'x' }],
])('whiteouts: %s', async (name, ...layers) => {
  const tars = [];
  for (const [index, files] of layers.entries()) {
    const real = Object.entries(files).map(([path, text]) => [path, text === 'DISK' ? disk : text]);
    tars.push(await layer(`${name}-${index}`, Object.fromEntries(real)));
  }
  const layout = await writeLayout(join(folder, `image-${name}`), { layers: tars });
  expect(await labelsOf(layout)).toMatchObject({ 'io.virtainers.disk.sha256': sha256 });
});

test('another virtainer gives what it says of its guest, and the same disk layer', async () => {
  const output = join(folder, 'first.tar');
  const guest = { user: 'admin', osinfo: 'alpinelinux3.20', ports: [22, 8080], tags: ['me/box:1'] };
  const first = await bakeImage(disk, { ...guest, output });
  const second = await bakeImage(output, { output: join(folder, 'second.tar') });
  expect(second.layers[1]?.digest).toBe(first.layers[1]?.digest);
  const facts = await inspectImage(ctx, join(folder, 'second.tar'));
  expect(facts).toMatchObject({ name: 'disk', user: 'admin', osinfo: 'alpinelinux3.20', ports: [22, 8080] });
  expect(facts.labels).toMatchObject({ 'io.virtainers.source.image': first.digest });
  const machine = JSON.stringify({
    formatVersion: 1,
    name: 'x',
    arch: 'amd64',
    osinfo: 'x',
    user: 'x',
    firmware: 'bios',
    ports: [],
  });
  const lie = `${machine.slice(0, -1)},"disk":{"format":"qcow2","sha256":"sha256:${'0'.repeat(64)}","size":1,"virtualSize":1}}`;
  const lying = await layer('lying', { 'disk/disk.qcow2': disk, 'etc/virtainers/machine.json': lie });
  const layout = await writeLayout(join(folder, 'lying'), { layers: [lying] });
  await expect(bakeImage(layout)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
});

test.each([
  ['nothing', { 'etc/issue': 'x' }, 'has no disk'],
  ['two files', { 'disk/a.img': 'a', 'disk/b.img': 'b' }, 'two files in /disk'],
  ['a folder', { 'disk/sub/disk.img': 'a' }, 'is a folder'],
  ['no disk', { 'disk/disk.img': '<!DOCTYPE html>' }, 'HTML page'],
  ['an overlay', { 'disk/disk.img': 'DISK', 'overlays/1.qcow2': 'x' }, 'overlays/1.qcow2'],
])('refused, because in /disk there is %s', async (name, files, reason) => {
  const real = Object.entries(files).map(([path, text]) => [path, text === 'DISK' ? disk : text]);
  const layout = await writeLayout(join(folder, `refused-${name}`), {
    layers: [await layer(`refused-${name}`, Object.fromEntries(real))],
  });
  await expect(bakeImage(layout)).rejects.toMatchObject({
    code: 'DISK_REFUSED',
    message: expect.stringContaining(reason),
  });
});

test.each([
  [
    'a symbolic link to a file of this machine',
    (root: string) => symlink('/etc/hostname', join(root, 'disk/disk.img')),
    'a symbolic link',
  ],
  ['a hard link', (root: string) => exec('ln', [join(root, 'a'), join(root, 'disk/disk.img')]), 'a hard link'],
  ['a pipe', (root: string) => exec('mkfifo', [join(root, 'disk/disk.img')]), 'a device'],
])('refused, because the disk is %s', async (name, make, reason) => {
  const root = join(folder, `link-${name}`);
  await mkdir(join(root, 'disk'), { recursive: true });
  await writeFile(join(root, 'a'), 'a');
  await make(root);
  const layout = await writeLayout(join(folder, `linked-${name}`), { layers: [await tarOf(root)] });
  await expect(bakeImage(layout)).rejects.toMatchObject({
    code: 'DISK_REFUSED',
    message: expect.stringContaining(reason),
  });
});

test('refused: /disk as a link, a path out of the image, a disk in pieces or too large', async () => {
  const root = join(folder, 'elsewhere');
  await mkdir(join(root, 'real'), { recursive: true });
  await copyFile(disk, join(root, 'real/disk.img'));
  await symlink('real', join(root, 'disk'));
  const linked = await writeLayout(join(folder, 'linked'), { layers: [await tarOf(root)] });
  await expect(bakeImage(linked)).rejects.toMatchObject({ code: 'DISK_REFUSED' });
  const out = await layer('out', { 'disk/disk.img': disk }, '-P', '--transform=s,disk.img,../../../tmp/x,');
  const leaving = await writeLayout(join(folder, 'leaving'), { layers: [out] });
  await expect(bakeImage(leaving)).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  const pieces = join(folder, 'pieces', 'disk');
  await mkdir(pieces, { recursive: true });
  await exec('cp', ['--sparse=always', join(folder, 'disk.raw'), join(pieces, 'disk.img')]);
  const sparse = await writeLayout(join(folder, 'sparse'), {
    layers: [await tarOf(join(folder, 'pieces'), '--sparse')],
  });
  await expect(bakeImage(sparse)).rejects.toMatchObject({ code: 'DISK_REFUSED' });
  const large = await writeLayout(join(folder, 'large'), { layers: [tar] });
  await expect(bakeImage(large, { maxVirtualSize: 100_000 })).rejects.toMatchObject({ code: 'DISK_REFUSED' });
});

test('refused: a layer that is not what its digest says, one that is cut short, a reference that is none', async () => {
  const layout = await writeLayout(join(folder, 'spoilt'), { layers: [tar], packing: 'plain' });
  const { layers } = await inspectImage(ctx, layout);
  const path = join(layout, 'blobs', 'sha256', layers[0]?.digest.slice(7) ?? '');
  const bytes = await readFile(path);
  bytes.writeUInt8(bytes.readUInt8(700_000) ^ 1, 700_000);
  await writeFile(path, bytes);
  const fresh = { ...ctx, cacheDir: join(folder, 'fresh') };
  await expect(bake(fresh, { source: layout, definitions: [], runtime })).rejects.toMatchObject({
    code: 'DIGEST_MISMATCH',
  });
  expect(await readdir(join(fresh.cacheDir, 'tmp'))).toEqual([]);
  const cut = join(folder, 'cut.tar');
  await writeFile(cut, (await readFile(tar)).subarray(0, 300_000));
  await expect(bakeImage(await writeLayout(join(folder, 'cut'), { layers: [cut] }))).rejects.toMatchObject({
    code: 'ARCHIVE_INVALID',
  });
  const secret = bakeImage('oci://me:hunter2@registry.example/x:1');
  await expect(secret).rejects.toMatchObject({
    code: 'ARGUMENTS_BAD',
    message: expect.not.stringContaining('hunter2'),
  });
  await expect(bakeImage('docker-archive:/nowhere.tar')).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
});

test.each([
  ['docker', 'docker-daemon'],
  ['podman', 'containers-storage'],
] as const)('%s: an image of it is taken by %s:', async (name, transport) => {
  const engine = await startEngine(name);
  try {
    const archive = join(folder, `${name}.tar`);
    const layout = await writeLayout(join(folder, name), { layers: [tar] });
    await exec('skopeo', ['copy', `oci:${layout}`, `docker-archive:${archive}:me/disk:1`]);
    await engine.load(archive);
    const inside: BuildContext = { ...ctx, exec: engine.exec, spawn: engine.spawn, env: engine.env };
    const reference = name === 'docker' ? 'me/disk:1' : 'docker.io/me/disk:1';
    const output = join(folder, `of-${name}.tar`);
    const options = { source: `${transport}:${reference}`, definitions: [], runtime, output };
    await bake(inside, options);
    expect((await inspectImage(ctx, output)).labels).toMatchObject({
      'io.virtainers.disk.sha256': sha256,
      'io.virtainers.name': 'disk:1',
      'io.virtainers.source': `${transport}:${reference}`,
    });
    expect(await bake(inside, options)).toMatchObject({ cached: true });
    await expect(bake(inside, { ...options, source: `${transport}:me/none:1` })).rejects.toMatchObject({
      code: name === 'docker' ? 'SOURCE_UNAVAILABLE' : 'COMMAND_FAILED',
    });
  } finally {
    await engine.stop();
  }
});
