import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataPaths, type Exec, IN_IMAGE } from '@virtainers/core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { withData } from '../../packages/host/src/data/find-data.ts';
import { type Engine, rootfulPodman } from '../helpers/engines.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { TINY, tinyImage } from '../helpers/tiny-image.ts';
import { makeContext } from './oci-samples.ts';
import { hostContext, makeData } from './publish-samples.ts';

let folder: string;
let ctx: BuildContext;
let podman: Engine;
let data: string;
let count = 0;
let name: string;

beforeAll(async () => {
  await requireTool('qemu-img', 'flock');
  folder = await tempFolder('unlocked');
  ctx = await makeContext(folder);
  podman = await rootfulPodman();
  await podman.load(await tinyImage());
  const sha256 = `sha256:${'0'.repeat(64)}` as const;
  const link = { path: IN_IMAGE.disk, format: 'qcow2' as const, sha256, size: 1, virtualSize: 1024 ** 2 };
  data = await makeData(join(folder, 'data'), [link]);
});

afterAll(() => podman?.stop());

/** A container whose data lies in no folder of this machine. */
beforeEach(async () => {
  count += 1;
  name = `box-${count}`;
  const words = ['--label', 'io.virtainers.name=box', '--hostname', 'me', TINY, 'sleep', '1000'];
  await podman.command('create', '--name', name, ...words);
  await podman.command('cp', `${data}/.`, `${name}:${IN_IMAGE.data}`);
});

/** The note as whoever uses the folder writes it; on a day long ago unless said otherwise. */
async function note(text: string, to = name, when = new Date('2020-01-02T03:04:05.6Z')): Promise<void> {
  const file = join(folder, 'local_image.lock');
  await writeFile(file, text);
  await utimes(file, when, when);
  await podman.command('cp', file, `${to}:${dataPaths(IN_IMAGE.data).lock}`);
}

function copied(engine: Exec = podman.exec): Promise<Buffer> {
  const context = { ...hostContext(ctx), env: podman.env, cacheDir: ctx.cacheDir };
  // Other programs are not the engine's.
  const both: Exec = (file, args, options) => (file === 'podman' ? engine : exec)(file, args, options);
  return withData({ ...context, exec: both }, name, { engine: 'podman' }, ({ paths }) => readFile(paths.overlay));
}

test('the disk of a stopped machine is copied, whoever used it last: itself, or another that is stopped too', async () => {
  const disk = await readFile(dataPaths(data).overlay);
  expect((await copied()).equals(disk)).toBe(true);
  for (const text of ['\n', 'me\nruns on inode 17\n', 'dead\nruns on inode 17\n']) {
    if (text.startsWith('dead')) await podman.command('create', '--name', 'dead', TINY, 'true');
    await note(text);
    expect((await copied()).equals(disk)).toBe(true);
  }
});

test('one that another machine has, of this engine or of nobody knows where, is in use', async () => {
  await podman.command('run', '-d', '--name', 'lively', TINY, 'sleep', '1000');
  for (const holder of ['lively', 'elsewhere', 'virtainers on host']) {
    await note(`${holder}\nruns on inode 17\n`);
    await expect(copied()).rejects.toMatchObject({
      code: 'DATA_IN_USE',
      exitCode: 73,
      message: expect.stringContaining(`held by ${holder}`),
      hint: expect.stringContaining(`podman start ${name}`),
    });
  }
});

/** Something happens once the disk has been copied. */
function meanwhile(happens: () => Promise<unknown>): Exec {
  return async (file, args, options) => {
    const result = await podman.exec(file, args, options);
    if (args.some((word) => word.endsWith(`:${dataPaths(IN_IMAGE.data).overlay}`))) await happens();
    return result;
  };
}

test('a copy during which a machine came, or came and went, is refused', async () => {
  await note('\n');
  await expect(copied(meanwhile(() => note('another\nruns on inode 17\n')))).rejects.toMatchObject({
    code: 'DATA_IN_USE',
    message: expect.stringContaining('was started on it while it was copied'),
  });
  await note('\n');
  const wentAgain = meanwhile(() => note('\n', name, new Date('2020-01-02T03:04:09Z')));
  await expect(copied(wentAgain)).rejects.toMatchObject({ code: 'DATA_IN_USE' });
  await note('\n');
  const started = meanwhile(() => podman.command('start', name));
  await expect(copied(started)).rejects.toMatchObject({ code: 'DATA_IN_USE' });
});
