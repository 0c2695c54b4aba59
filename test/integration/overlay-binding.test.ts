import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bindOverlay, type DataPaths, dataPaths, digestFile, type Log, readQcow2Header } from '@virtainers/core';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { hostQemuTool } from '../../packages/builder/src/disk/qemu-tool.ts';
import { packOverlay } from '../../packages/builder/src/publish/overlay-file.ts';
import { readDataFolder } from '../../packages/host/src/data/data-folder.ts';
import { openDisk } from '../../packages/runtime/src/disk/open-disk.ts';
import { exec, requireTool, spawn } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const log: Log = { info: () => undefined, warn: () => undefined, debug: () => undefined };
const digests: Record<string, `sha256:${string}`> = {};
let bases: string;
let folder: string;
let paths: DataPaths;

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'qemu-system-x86_64', 'flock', 'setpriv');
  bases = await tempFolder('bases');
  await chmod(bases, 0o755);
  for (const name of ['a', 'b']) {
    await exec('qemu-img', ['create', '-q', '-f', 'qcow2', join(bases, name), '64M']);
    await exec('qemu-io', ['-f', 'qcow2', '-c', `write -P ${name.charCodeAt(0)} 0 1M`, join(bases, name)]);
    digests[name] = await digestFile(join(bases, name));
  }
});

beforeEach(async () => {
  folder = await tempFolder('bound');
  await chmod(folder, 0o755);
  paths = await dataFolder('mounted');
});

async function dataFolder(name: string): Promise<DataPaths> {
  await mkdir(join(folder, name));
  return dataPaths(join(folder, name));
}

/** A start and a stop over the disk of image `a` or `b`, which lies at one path in both. */
async function start(image: string, { folder: imageDir } = paths): Promise<readonly string[]> {
  const path = join(bases, 'disk.qcow2');
  await copyFile(join(bases, image), path);
  const base = { kind: 'baked', path, sha256: await digestFile(path), size: (await stat(path)).size } as const;
  const disk = await openDisk(exec, spawn, {
    ...{ imageDir, base: { ...base, virtualSize: 64 * 1024 ** 2 }, diskSize: undefined, reference: undefined },
    ...{ asRoot: true, qemu: { uid: 107, gid: 107 }, holder: 'box', mountinfo: '', log },
  });
  await disk.release();
  return disk.warnings;
}

const boundTo = async (path = paths.overlay) => (await readQcow2Header(path))?.boundTo;
const opening = (image: string, where = paths) => start(image, where).catch((error) => error);
/** One whose header says nothing, as older versions made them; the guest's content is another matter. */
const makeUnbound = (path: string) =>
  exec('qemu-img', [...'create -q -f qcow2 -u -F qcow2 -b'.split(' '), join(bases, 'disk.qcow2'), path, '64M']);

test('what QEMU and its tools do to an overlay leaves it bound', async () => {
  await start('a');
  const { overlay } = paths;
  expect(await boundTo()).toEqual([digests['a']]);
  const other = join(folder, 'other.qcow2');
  await copyFile(join(bases, 'a'), other);
  const steps = [
    ['rebase', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', other],
    ['rebase', '-q', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', join(bases, 'disk.qcow2')],
    ...['-c', '-a', '-d'].map((word) => ['snapshot', '-q', word, 'moment']),
    ['check', '-q', '-r', 'all'],
  ];
  for (const words of steps) await exec('qemu-img', [...words, overlay]);
  await exec('qemu-img', ['resize', '-q', '-f', 'qcow2', overlay, '96M']);
  const machine = ['-nodefaults', '-display', 'none', '-m', '16', '-monitor', 'stdio', '-S'];
  const input = 'block_resize d 128M\nsavevm moment\ndelvm moment\nquit\n';
  await exec('qemu-system-x86_64', [...machine, '-drive', `if=virtio,id=d,file=${overlay}`], { input });
  expect(await readQcow2Header(overlay)).toMatchObject({ boundTo: [digests['a']], virtualSize: 128n * 1024n ** 2n });
  expect(await start('a')).toEqual([]);
});

test('an overlay that is put back beside the sidecar of another is refused, with both bases, and goes on with its own', async () => {
  await start('a');
  const { uuid } = JSON.parse(await readFile(paths.sidecar, 'utf8'));
  await rename(paths.overlay, `${paths.folder}.old`);
  await start('b');
  await rename(`${paths.folder}.old`, paths.overlay);
  const before = await stat(paths.overlay);
  const refused = await opening('b');
  expect(refused).toMatchObject({ code: 'BASE_MISMATCH', exitCode: 65 });
  for (const image of ['a', 'b']) expect(refused.message).toContain(digests[image]);
  expect(refused.hint).toContain('local_image.aside-TIME.json');
  await expect(readDataFolder(paths)).rejects.toMatchObject({ code: 'BASE_MISMATCH' });
  expect((await stat(paths.overlay)).mtimeMs).toBe(before.mtimeMs);
  const aside = (await readdir(paths.folder)).find((name) => name.includes('.aside-')) as string;
  await rename(join(paths.folder, aside), paths.sidecar);
  expect(await start('a')).toEqual([]);
  expect(JSON.parse(await readFile(paths.sidecar, 'utf8')).uuid).toBe(uuid);
});

test("an overlay from another folder meets that folder's sidecar or none; alone it says itself what it lies on", async () => {
  const other = await dataFolder('other');
  await start('a');
  await start('b', other);
  await copyFile(paths.overlay, other.overlay);
  expect(await opening('b', other)).toMatchObject({ code: 'BASE_MISMATCH' });
  await rm(other.sidecar);
  const refused = await opening('b', other);
  expect(refused).toMatchObject({ code: 'BASE_MISMATCH' });
  for (const image of ['a', 'b']) expect(refused.message).toContain(digests[image]);
  expect(await start('a', other)).toEqual([]);
});

test('the sidecar of a start that was killed is no sidecar of another overlay', async () => {
  await start('a');
  await rename(paths.sidecar, paths.sidecarTemp);
  await makeUnbound(paths.overlay);
  expect(await start('a')).toEqual([expect.stringContaining('has no sidecar')]);
  expect(await readdir(paths.folder)).not.toContain('local_image.json.new');
});

test('one of an older version is taken, and bound when its chain has been checked, unless saved memory waits', async () => {
  await start('a');
  await makeUnbound(paths.overlay);
  await writeFile(paths.memoryRecord, '{}');
  await utimes(paths.overlay, new Date(0), new Date(0));
  await start('a');
  expect([await boundTo(), (await stat(paths.overlay)).mtimeMs]).toEqual([undefined, 0]);
  await rm(paths.memoryRecord);
  expect(await opening('b')).toMatchObject({ code: 'BASE_MISMATCH' });
  expect(await boundTo()).toBe(undefined);
  await start('a');
  expect(await boundTo()).toEqual([digests['a']]);
});

test('a longer chain, another version of qcow2, no room in the header: bound where it can be, sound in any case', async () => {
  const chain = Array.from({ length: 100 }, (_, index) => ({
    sha256: `sha256:${`${index}`.padStart(64, '0')}` as const,
  }));
  for (const [compat, size, bound] of [
    ['1.1', 65536, true],
    ['0.10', 65536, true],
    ['1.1', 512, false],
  ] as const) {
    const path = join(folder, `${compat}-${size}`);
    const options = `compat=${compat},cluster_size=${size}`;
    await exec('qemu-img', ['create', '-q', '-f', 'qcow2', '-o', options, '-u', '-F', 'qcow2', '-b', 'x', path, '64M']);
    for (const links of [chain.slice(0, 3), chain]) await bindOverlay(path, links);
    const header = await readQcow2Header(path);
    expect(header?.boundTo).toEqual(
      bound ? chain.map(({ sha256 }) => sha256) : expect.not.arrayContaining([chain[9]?.sha256]),
    );
    expect(header).toMatchObject({ backingFile: 'x', backingFormat: 'qcow2' });
    await exec('qemu-img', [
      'check',
      '-q',
      `json:${JSON.stringify({ driver: 'qcow2', file: { driver: 'file', filename: path }, backing: null })}`,
    ]);
  }
});

test('what is published does not depend on it', async () => {
  await start('a');
  await exec('qemu-io', ['-f', 'qcow2', '-c', 'write -P 7 1M 1M', paths.overlay]);
  const packed: string[] = [];
  for (const links of [
    [{ sha256: digests['a'] as `sha256:${string}` }],
    [],
    [{ sha256: digests['b'] as `sha256:${string}` }],
  ]) {
    await bindOverlay(paths.overlay, links);
    const work = join(folder, `packed-${packed.length}`);
    await mkdir(work);
    packed.push(
      (await packOverlay(await hostQemuTool(exec, spawn), paths.overlay, { path: '/disk/disk.qcow2' }, work)).sha256,
    );
    expect(await boundTo(join(work, 'overlay.qcow2'))).toBe(undefined);
  }
  expect(new Set(packed).size).toBe(1);
});
