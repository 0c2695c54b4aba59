import { closeSync, openSync, writeSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BakeOptions, BakeResult } from '../../packages/builder/src/bake/options.ts';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { inspectImage } from '../../packages/builder/src/inspect.ts';
import { type Engine, rootfulPodman, startDocker } from '../helpers/engines.ts';
import { exec, requireTool, spawn, waitFor } from '../helpers/process.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';

let folder: string;
let ctx: BuildContext;
let options: BakeOptions;
let archive: string;
let baked: BakeResult;
let registry: Registry;

beforeAll(async () => {
  await requireTool('qemu-img', 'skopeo', 'umoci', 'podman', 'docker', 'ctr', 'containerd');
  folder = await tempFolder('archive');
  ctx = await makeContext(folder);
  await makeRawDisk(join(folder, 'disk.raw'));
  const disk = join(folder, 'debian-13-demo.qcow2');
  await exec('qemu-img', ['convert', '-c', '-f', 'raw', '-O', 'qcow2', join(folder, 'disk.raw'), disk]);
  // A file as young as the clock's tick is hashed again by the next bake, for a change to it might not show.
  await waitFor('the next tick', async () => (Date.now() - (await stat(disk)).ctimeMs > 50 ? true : undefined), 1000);
  archive = join(folder, 'image.tar');
  options = { source: disk, definitions: [], runtime: await publishRoot(folder), tags: ['virtainers/demo:13'] };
  baked = await bake(ctx, { ...options, output: archive });
  registry = await startRegistry();
});

afterAll(() => registry?.stop());

test('an unchanged bake reads digests, and writes nothing', async () => {
  const before = await stat(archive, { bigint: true });
  const again = await bake(ctx, { ...options, output: archive });
  expect(again).toEqual({ ...baked, cached: true, sinks: [{ kind: 'file', target: archive, written: false }] });
  const after = await stat(archive, { bigint: true });
  expect([after.ino, after.mtimeNs]).toEqual([before.ino, before.mtimeNs]);
});

test('two bakes, each with its own folder, cache, umask and time zone, give the same archive', async () => {
  const digests: string[] = [];
  for (const [index, umask] of ['022', '077'].entries()) {
    const home = join(folder, `home-${index}`);
    await mkdir(home);
    const other = await makeContext(home);
    const previous = process.umask(Number.parseInt(umask, 8));
    const zone = process.env['TZ'];
    process.env['TZ'] = index === 0 ? 'Asia/Kathmandu' : 'America/Lima';
    try {
      await bake(other, { ...options, output: join(home, 'image.tar') });
    } finally {
      process.umask(previous);
      process.env['TZ'] = zone ?? '';
    }
    digests.push((await exec('sha256sum', [join(home, 'image.tar')])).stdout.slice(0, 64));
  }
  digests.push((await exec('sha256sum', [archive])).stdout.slice(0, 64));
  expect(new Set(digests).size).toBe(1);
});

test('an archive written with known digests is the one that was hashed while it was written', async () => {
  const copy = join(folder, 'copy.tar');
  await bake(ctx, { ...options, output: copy });
  await exec('cmp', [archive, copy]);
});

test('skopeo reads it as both kinds of archive and finds the digest', async () => {
  const { stdout } = await exec('skopeo', ['inspect', `oci-archive:${archive}`]);
  const facts = JSON.parse(stdout);
  expect(facts).toMatchObject({ Digest: baked.digest, Architecture: 'amd64', Os: 'linux' });
  expect(facts.Labels['io.virtainers.name']).toBe('debian-13-demo');
  await exec('skopeo', ['inspect', `oci-archive:${archive}:virtainers/demo:13`]);
  const { stdout: config } = await exec('skopeo', ['inspect', '--config', '--raw', `docker-archive:${archive}`]);
  expect(JSON.parse(config).config.Healthcheck.StartPeriod).toBe(600_000_000_000);
});

test('umoci unpacks the layout: the disk lies where KubeVirt looks, owned by QEMU, with its description', async () => {
  const layout = join(folder, 'layout');
  await mkdir(layout);
  await exec('tar', ['-xf', archive, '-C', layout]);
  await exec('umoci', ['unpack', '--image', `${layout}:virtainers/demo:13`, join(folder, 'bundle')]);
  const root = join(folder, 'bundle', 'rootfs');
  const { stdout } = await exec(
    'stat',
    ['-c', '%a %u:%g %n', 'disk', 'disk/disk.qcow2', 'etc/virtainers/machine.json', 'etc/hello'],
    {
      cwd: root,
    },
  );
  expect(stdout.trim().split('\n')).toEqual([
    '755 107:107 disk',
    '444 107:107 disk/disk.qcow2',
    '644 0:0 etc/virtainers/machine.json',
    '644 0:0 etc/hello',
  ]);
  expect(await readdir(join(root, 'disk'))).toEqual(['disk.qcow2']);
  const machine = JSON.parse(await readFile(join(root, 'etc/virtainers/machine.json'), 'utf8'));
  expect(machine).toMatchObject({ user: 'debian', osinfo: 'debian13', disk: { virtualSize: 8 * 1024 * 1024 } });
  await exec('qemu-img', ['compare', join(root, 'disk/disk.qcow2'), join(folder, 'disk.raw')]);
  expect(await inspectImage(ctx, layout)).toEqual({ ...(await inspectImage(ctx, archive)), origin: layout });
});

test('inspect tells what is in an archive', async () => {
  expect(await inspectImage(ctx, archive)).toMatchObject({
    digest: baked.digest,
    reference: 'virtainers/demo:13',
    virtainer: true,
    user: 'debian',
    ports: [22],
    disk: { virtualSize: 8 * 1024 * 1024 },
    layers: [{ what: 'runtime root' }, { what: 'disk' }, { what: 'supervisor and templates' }],
  });
});

test('a push keeps the digest, a second one sends nothing, and the root can be taken from there', async () => {
  const push = `${registry.address}/me/box:1`;
  const first = await bake(ctx, { ...options, push, insecure: true });
  expect(first).toMatchObject({ digest: baked.digest, sinks: [{ kind: 'registry', target: push, written: true }] });
  const { stdout } = await exec('skopeo', ['inspect', '--tls-verify=false', `docker://${push}`]);
  expect(JSON.parse(stdout).Digest).toBe(baked.digest);
  const second = await bake(ctx, { ...options, push, insecure: true });
  expect(second).toMatchObject({ cached: true, sinks: [{ written: false }] });
  expect(await inspectImage(ctx, push, { insecure: true })).toMatchObject({ digest: baked.digest, virtainer: true });
  const other = await makeContext(join(folder, 'elsewhere'));
  const third = await bake(other, { ...options, runtime: push, insecure: true });
  expect(third.digest).toBe(baked.digest);
  expect(await readdir(join(ctx.cacheDir, 'tmp'))).toEqual([]);
});

test('containerd imports it under its name', async () => {
  const home = join(folder, 'containerd');
  await mkdir(home);
  const address = join(home, 'socket');
  const config = join(home, 'config.toml');
  await writeFile(
    config,
    `version = 2\nroot = "${home}/root"\nstate = "${home}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n`,
  );
  const child = spawn('containerd', ['--config', config, '--address', address, '--log-level', 'error'], {
    stdout: 'ignore',
    stderr: 'ignore',
  });
  try {
    const ctr = (...args: string[]) => exec('ctr', ['--address', address, ...args]);
    await waitFor('containerd', () => ctr('version'), 30_000);
    await ctr('image', 'import', '--no-unpack', archive);
    const { stdout } = await ctr('image', 'list');
    expect(stdout).toContain('docker.io/virtainers/demo:13');
    expect(stdout).toContain(baked.digest);
  } finally {
    child.kill('SIGTERM');
    await child.exited;
  }
});

test.each([
  ['docker', startDocker],
  ['podman', rootfulPodman],
] as const)('%s loads it under its name, with its id; a second time nothing is sent', async (load, start) => {
  const engine: Engine = await start();
  try {
    const inside: BuildContext = { ...ctx, exec: engine.exec, spawn: engine.spawn, env: engine.env };
    const first = await bake(inside, { ...options, load });
    expect(first.sinks).toEqual([{ kind: load, target: 'virtainers/demo:13', written: true }]);
    const [facts] = JSON.parse(await engine.command('image', 'inspect', 'virtainers/demo:13'));
    expect(facts.Config.Labels['io.virtainers.user']).toBe('debian');
    // Podman reads the OCI half of the archive, and OCI knows no health check.
    if (load === 'docker') expect(facts.Config.Healthcheck.Interval).toBe(10_000_000_000);
    if (load === 'podman') expect(facts.Digest).toBe(baked.digest);
    expect(facts.Config.ExposedPorts).toEqual({ '22/tcp': {} });
    const { configDigest } = await inspectImage(ctx, archive);
    expect(`sha256:${facts.Id.replace('sha256:', '')}`).toBe(configDigest);
    expect((await bake(inside, { ...options, load })).sinks[0]?.written).toBe(false);
    await engine.command('rmi', 'virtainers/demo:13');
    await engine.load(archive);
    await engine.command('image', 'inspect', 'virtainers/demo:13');
  } finally {
    await engine.stop();
  }
});

test('an engine that is not there, a registry that refuses, an output that cannot be written: each says so', async () => {
  const nowhere = { ...ctx, env: { DOCKER_HOST: `unix://${folder}/none.sock` } };
  await expect(bake(nowhere, { ...options, load: 'docker' })).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
  await expect(bake(ctx, { ...options, push: '127.0.0.1:1/x:1', insecure: true })).rejects.toMatchObject({
    code: 'COMMAND_FAILED',
  });
  await expect(bake(ctx, { ...options, output: '/proc/image.tar' })).rejects.toMatchObject({
    code: 'OUTPUT_UNWRITABLE',
  });
  await expect(bake(ctx, { ...options, output: join(archive, 'x.tar') })).rejects.toMatchObject({
    code: 'OUTPUT_UNWRITABLE',
  });
});

test('an interrupted bake leaves no file, and what was there before stays', async () => {
  const home = join(folder, 'interrupted');
  await mkdir(home);
  const output = join(home, 'image.tar');
  await writeFile(output, 'what was there before');
  const controller = new AbortController();
  const other: BuildContext = {
    ...(await makeContext(home)),
    signal: controller.signal,
    onEvent: (event) => {
      if (event.type === 'progress' && event.step === 'archive') controller.abort(new Error('interrupted'));
    },
  };
  await expect(bake(other, { ...options, output })).rejects.toThrow('interrupted');
  expect(await readFile(output, 'utf8')).toBe('what was there before');
  expect((await readdir(home)).sort()).toEqual(['assets', 'cache', 'image.tar']);
});

test('a source that changes while it is baked is noticed, and its half archive removed', async () => {
  const home = join(folder, 'changing');
  await mkdir(home);
  const source = join(home, 'changing.qcow2');
  await exec('cp', [options.source, source]);
  const plain = await makeContext(home);
  // Between the hash of the file and the archive.
  const onEvent: BuildContext['onEvent'] = (event) => {
    if (event.type === 'start' && event.step === 'archive') overwrite(source, 700_000);
  };
  const result = bake({ ...plain, onEvent }, { ...options, source, output: join(home, 'image.tar') });
  await expect(result).rejects.toMatchObject({ code: 'DIGEST_MISMATCH', message: expect.stringContaining(source) });
  expect((await readdir(home)).sort()).toEqual(['assets', 'cache', 'changing.qcow2']);
});

test.each([
  [
    'a file that is no tar',
    async (path: string) => writeFile(path, 'nothing of the kind\n'.repeat(100)),
    'ARCHIVE_INVALID',
  ],
  [
    'an archive that is cut short',
    async (path: string) => writeFile(path, (await readFile(archive)).subarray(0, 1_000_000)),
    'ARCHIVE_INVALID',
  ],
  ['an archive without our labels', async (path: string) => plainImage(path), 'ROOT_INVALID'],
  ['an archive whose root was changed', async (path: string) => spoilRoot(path), 'DIGEST_MISMATCH'],
] as const)('--runtime refuses %s', async (name, make, code) => {
  const path = join(folder, name.replaceAll(' ', '-'));
  await make(path);
  const other = await makeContext(join(folder, `for-${name.replaceAll(' ', '-')}`));
  await expect(bake(other, { ...options, runtime: path })).rejects.toMatchObject({ code });
});

function overwrite(path: string, position: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, 'changed', position);
  closeSync(file);
}

async function plainImage(path: string): Promise<void> {
  const layout = join(folder, 'plain');
  await exec('umoci', ['init', '--layout', layout]);
  await exec('umoci', ['new', '--image', `${layout}:x`]);
  await exec('tar', ['-cf', path, '-C', layout, '.']);
}

async function spoilRoot(path: string): Promise<void> {
  const bytes = await readFile(options.runtime ?? '');
  const layer = bytes.indexOf(Buffer.from([0x1f, 0x8b]));
  bytes.writeUInt8(bytes.readUInt8(layer + 40) ^ 1, layer + 40);
  await writeFile(path, bytes);
}
