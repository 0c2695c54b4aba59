import { chmod, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dataPaths, digestFile, type Log, statusSchema } from '@virtainers/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDisk } from '../../packages/runtime/src/disk/open-disk.ts';
import { makeStatusFile } from '../../packages/runtime/src/readiness/status.ts';
import { exec, requireTool, spawn } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const log: Log = { info: () => undefined, warn: () => undefined, debug: () => undefined };
let folder: string;
let mounted: string;

beforeEach(async () => {
  await requireTool('qemu-img', 'flock', 'setpriv', 'mount', 'umount');
  folder = await tempFolder('full');
  await chmod(folder, 0o755);
  mounted = join(folder, 'mounted');
  await mkdir(mounted);
  await exec('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mounted]);
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', join(folder, 'disk.qcow2'), '64M']);
});

afterEach(() => exec('umount', [mounted]));

async function open() {
  const path = join(folder, 'disk.qcow2');
  const facts = { sha256: await digestFile(path), size: (await stat(path)).size, virtualSize: 64 * 1024 ** 2 };
  const users = { asRoot: true, qemu: { uid: 107, gid: 107 } };
  return openDisk(exec, spawn, {
    ...{ imageDir: mounted, base: { kind: 'baked', path, ...facts }, diskSize: undefined, reference: undefined },
    ...{ ...users, holder: 'x', mountinfo: '', log },
  });
}

/** Takes all room but `left` KiB. */
async function fill(left: number): Promise<void> {
  const { stdout } = await exec('df', ['--output=avail', '-k', mounted]);
  const free = Number(stdout.split('\n')[1]);
  await exec('fallocate', ['--length', `${free - left}KiB`, join(mounted, 'filler')]);
}

test.for([0, 8])(
  'with %i KiB left a start is refused as such, leaves no overlay, and works with room again',
  async (left) => {
    await fill(left);
    const failure = await open().catch((error) => error);
    expect(failure).toMatchObject({ code: 'DISK_FULL', exitCode: 73 });
    expect(failure.message).toContain(mounted);
    expect(await readdir(mounted)).not.toContain('local_image.qcow2');
    await rm(join(mounted, 'filler'));
    await (await open()).release();
  },
);

test('a machine that is kept opens without any room, and forgets nothing', async () => {
  const first = await open();
  await first.remember({ instanceId: 'one' });
  await first.release();
  await fill(0);
  const second = await open();
  await second.remember({ instanceId: 'one' });
  await expect(second.remember({ instanceId: 'two' })).rejects.toMatchObject({ code: 'DISK_FULL' });
  await second.release();
  expect(JSON.parse(await readFile(dataPaths(mounted).sidecar, 'utf8')).instanceId).toBe('one');
});

test('that a disk is full is told in a status that lies on it', async () => {
  const path = join(mounted, 'status.json');
  const warnings: string[] = [];
  const about = { life: 'one', vmName: 'vm', driver: 'system' } as const;
  const status = makeStatusFile(
    path,
    about,
    () => new Date(),
    () => 0,
    (line) => warnings.push(line),
  );
  const state = async () => statusSchema.parse(JSON.parse(await readFile(path, 'utf8'))).state;
  await status.update({ state: 'ready' });
  await fill(0);
  await status.trouble('room', 'paused: there is no room left');
  expect([await state(), warnings]).toEqual(['degraded', []]);
  await rm(`${path}.tmp`, { force: true });
  await exec('sh', ['-c', `cat /dev/zero >> ${mounted}/filler || true`]);
  for (const resumed of [true, false]) await status.update({ resumed });
  expect(warnings).toEqual([expect.stringMatching(/status\.json cannot be written.*ENOSPC/)]);
  await rm(join(mounted, 'filler'));
  await status.update({ state: 'stopping' });
  expect(await state()).toBe('stopping');
});
