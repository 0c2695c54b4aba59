import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { dataPaths, IN_IMAGE } from '@virtainers/core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { exportData, importData } from '../../packages/host/src/data/export.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext } from './oci-samples.ts';
import { hostContext, makeData, noise } from './publish-samples.ts';

let folder: string;
let ctx: BuildContext;
let source: string;
/** A good archive of a machine with variables and no TPM, and one that was damaged on its way. */
let good: string;
let damaged: string;
let to: string;
let small: string;
let count = 0;

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'flock', 'prlimit', 'mount', 'umount');
  folder = await tempFolder('import');
  ctx = await makeContext(folder);
  const sha256 = `sha256:${'0'.repeat(64)}` as const;
  const link = { path: IN_IMAGE.disk, format: 'qcow2' as const, sha256, size: 1, virtualSize: 16 * 1024 ** 2 };
  source = await makeData(join(folder, 'source'), [link]);
  const named = ['-u', '-f', 'qcow2', '-b', '', dataPaths(source).overlay];
  const written = `write -s ${await noise(join(folder, 'noise'), 4)} 0 4M`;
  await exec('qemu-img', ['rebase', ...named]);
  await exec('qemu-io', ['-f', 'qcow2', '-c', written, dataPaths(source).overlay]);
  await exec('qemu-img', [
    'rebase',
    '-u',
    '-f',
    'qcow2',
    '-b',
    IN_IMAGE.disk,
    '-F',
    'qcow2',
    dataPaths(source).overlay,
  ]);
  await writeFile(dataPaths(source).variables, 'its variables');
  await mkdir(dataPaths(source).tpm);
  await writeFile(join(dataPaths(source).tpm, 'tpm2-00.volatilestate'), '');
  [good, damaged] = [join(folder, 'good.virtainer'), join(folder, 'damaged.virtainer')];
  const size = await exportData(hostContext(ctx), ctx, { source, file: good });
  await writeFile(damaged, await readFile(good));
  await exec('qemu-io', ['-f', 'raw', '-c', `write -P 0x99 ${Math.floor(size / 1024) * 512} 512`, damaged]);
  small = join(folder, 'small');
  await mkdir(small);
  await exec('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small]);
});

afterAll(() => exec('umount', [small]));

beforeEach(async () => {
  count += 1;
  to = join(folder, `to-${count}`);
  await mkdir(to);
});

const imported = (file: string) => importData(hostContext(ctx), file, to);

test.for(['sidecar', 'variables', 'secureVariables', 'memory', 'memoryRecord', 'changing', 'tpm'] as const)(
  "another machine's %s in the folder is in the way, and stays as it is",
  async (name) => {
    const path = dataPaths(to)[name];
    const file = name === 'tpm' ? join(path, 'tpm2-00.permall') : path;
    if (name === 'tpm') await mkdir(path);
    await writeFile(file, "another's");
    for (const archive of [good, damaged]) {
      await expect(imported(archive)).rejects.toMatchObject({
        code: 'OUTPUT_UNWRITABLE',
        exitCode: 73,
        message: expect.stringContaining(basename(path)),
        hint: expect.stringContaining('another folder'),
      });
    }
    expect((await readdir(to)).sort()).toEqual([basename(path), 'local_image.lock'].sort());
    expect(await readFile(file, 'utf8')).toBe("another's");
  },
);

test('what a damaged file has brought is removed, and nothing else; a good one can follow', async () => {
  await writeFile(join(to, 'notes.txt'), 'mine');
  await expect(imported(damaged)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  expect((await readdir(to)).sort()).toEqual(['local_image.lock', 'notes.txt']);
  await imported(good);
  expect(await readdir(dataPaths(to).tpm)).toEqual(['tpm2-00.volatilestate']);
  expect((await stat(dataPaths(to).overlay)).size).toBeGreaterThan(4 * 1024 ** 2);
});

test.for(['temp', 'memoryTemp', 'variables', 'lock', 'sidecar'] as const)(
  'a link in the place of its %s is not written through',
  async (name) => {
    const victim = join(folder, `victim-${count}`);
    await writeFile(victim, 'of root');
    await symlink(victim, dataPaths(to)[name]);
    await expect(imported(good)).rejects.toMatchObject({ code: 'DISK_REFUSED' });
    expect(await readFile(victim, 'utf8')).toBe('of root');
  },
);

test('a missing file, a missing folder and a full disk are errors of their own', async () => {
  await expect(imported(join(folder, 'none.virtainer'))).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringContaining('there is no such file'),
  });
  await expect(imported(folder)).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  const write = (file: string) => exportData(hostContext(ctx), ctx, { source, file });
  await expect(write(join(folder, 'none', 'x'))).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE', exitCode: 73 });
  const full = { code: 'OUTPUT_UNWRITABLE', hint: expect.stringContaining('free some space') };
  await expect(write(join(small, 'x'))).rejects.toMatchObject(full);
  to = small;
  await expect(imported(good)).rejects.toMatchObject(full);
  expect(await readdir(small)).toEqual(['local_image.lock']);
  const elsewhere = { ...ctx, cacheDir: join(small, 'cache') };
  const packing = exportData(hostContext(ctx), elsewhere, { source, file: join(folder, 'x') });
  await expect(packing).rejects.toMatchObject({ code: 'DISK_FULL', exitCode: 73 });
});
