import { readFile, watch, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainLink, dataPaths, parseSidecar, readQcow2Header, settleSnapshots } from '@virtainers/core';
import { beforeAll, expect, test } from 'vitest';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { exportData, importData } from '../../packages/host/src/data/export.ts';
import { rebaseData } from '../../packages/host/src/data/rebase.ts';
import {
  createSnapshot,
  removeSnapshots,
  restoreSnapshot,
  showSnapshots,
} from '../../packages/host/src/data/snapshot.ts';
import { growOverlay } from '../../packages/runtime/src/disk/overlay.ts';
import { exec, requireTool, spawn } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext } from './oci-samples.ts';
import { hostContext, makeData, shown, toFiles, write } from './publish-samples.ts';

const MIB = 1024 ** 2;
let folder: string;
let ctx: BuildContext;
let base: string;
let chain: ChainLink[];
let count = 0;

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'flock', 'prlimit');
  folder = await tempFolder('snapshots');
  ctx = await makeContext(folder);
  base = join(folder, 'base.qcow2');
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', base, '64M']);
  await exec('qemu-io', ['-f', 'qcow2', '-c', 'write -P 0x11 0 8M', base]);
  const sha256 = `sha256:${'1'.repeat(64)}` as const;
  chain = [{ path: '/disk/disk.qcow2', format: 'qcow2', sha256, size: 1, virtualSize: 64 * MIB }];
});

/** A data folder whose guest wrote `pattern` over the first megabyte. */
async function machine(pattern: number): Promise<string> {
  count += 1;
  const data = await makeData(join(folder, `data-${count}`), chain, 'me/box:1');
  await write(data, [base], `write -P ${pattern} 0 1M`);
  return data;
}

async function holds(data: string, pattern: number, where = '0 1M'): Promise<boolean> {
  const { stdout } = await exec('qemu-io', ['-r', '-c', `read -P ${pattern} ${where}`, shown(data, [base])], {
    allowFailure: true,
  });
  return !stdout.includes('Pattern verification failed');
}

async function expectClean(data: string): Promise<void> {
  await exec('qemu-img', ['check', '-q', shown(data, [base])]);
}

const host = () => hostContext(ctx);
const create = (source: string, name: string) => createSnapshot(host(), { source, name, diskOnly: false });
const restore = (source: string, name: string, discard = false) => restoreSnapshot(host(), { source, name, discard });
const names = async (source: string) => (await showSnapshots(host(), { source })).map(({ name }) => name);

test('what was kept comes back, what it replaces is kept, and both can be removed', async () => {
  const data = await machine(0x21);
  const { snapshot, paused } = await create(data, 'first');
  expect(snapshot).toMatchObject({ name: 'first', memory: 0 });
  expect(paused).toBeUndefined();
  expect(Date.now() - Date.parse(snapshot.created)).toBeLessThan(60_000);
  await write(data, [base], 'write -P 0x22 0 1M');
  expect(await restore(data, 'first')).toMatchObject({ kept: 'before-first' });
  expect(await holds(data, 0x21)).toBe(true);
  expect(await holds(data, 0x11, '2M 1M')).toBe(true);
  expect(await restore(data, 'before-first')).toMatchObject({ kept: 'before-before-first' });
  expect(await holds(data, 0x22)).toBe(true);
  await restore(data, 'first', true);
  expect(await names(data)).toEqual(['first', 'before-first', 'before-before-first']);
  await removeSnapshots(host(), { source: data, names: ['before-first', 'before-before-first'] });
  expect(await names(data)).toEqual(['first']);
  await expectClean(data);
});

test('a name that is taken, is none, or is not there is refused, and nothing changes', async () => {
  const data = await machine(0x21);
  await create(data, 'first');
  await expect(create(data, 'first')).rejects.toMatchObject({ code: 'ARGUMENTS_BAD' });
  for (const name of ['12', '-a', 'a b', '../x', '']) {
    await expect(create(data, name)).rejects.toMatchObject({ code: 'ARGUMENTS_BAD' });
  }
  await expect(restore(data, 'second')).rejects.toMatchObject({ code: 'SNAPSHOT_UNKNOWN', hint: 'there are: first' });
  const both = removeSnapshots(host(), { source: data, names: ['first', 'second'] });
  await expect(both).rejects.toMatchObject({ code: 'SNAPSHOT_UNKNOWN' });
  expect(await names(data)).toEqual(['first']);
});

test('a header that names another disk is refused before QEMU opens it', async () => {
  const data = await machine(0x21);
  await exec('qemu-img', ['rebase', '-u', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/hostname', dataPaths(data).overlay]);
  await expect(create(data, 'first')).rejects.toMatchObject({ code: 'DISK_REFUSED' });
});

test('an export carries them, and the imported folder goes back to them', async () => {
  const data = await machine(0x21);
  await create(data, 'first');
  await write(data, [base], 'write -P 0x22 0 1M');
  const file = join(folder, 'box.virtainer');
  await exportData(host(), ctx, { source: data, file });
  const copy = join(folder, 'imported');
  await importData(host(), file, copy);
  expect(await names(copy)).toEqual(['first']);
  expect(await holds(copy, 0x22)).toBe(true);
  await restore(copy, 'first');
  expect(await holds(copy, 0x21)).toBe(true);
});

test('a rebase is refused while there are any, and names them', async () => {
  const data = await machine(0x21);
  await create(data, 'first');
  const rebase = rebaseData(host(), ctx, { folder: data, onto: 'nowhere.tar' });
  await expect(rebase).rejects.toThrow(/has snapshots, which belong to its base: first/);
});

test('a disk that has some can grow; a restore brings back the size, too', async () => {
  const data = await machine(0x21);
  await create(data, 'small');
  const { overlay } = dataPaths(data);
  await growOverlay(exec, overlay, toFiles([base]), 128 * MIB);
  await write(data, [base], 'write -P 0x23 100M 1M');
  await restore(data, 'small');
  expect((await readQcow2Header(overlay))?.virtualSize).toBe(BigInt(64 * MIB));
  await restore(data, 'before-small');
  expect(await holds(data, 0x23, '100M 1M')).toBe(true);
  await expectClean(data);
});

test('memory of a restored snapshot is noted for the next start, until another is restored', async () => {
  const data = await machine(0x21);
  const { sidecar, overlay } = dataPaths(data);
  // Made by a QEMU that has no guest: all that a snapshot with memory is to whoever does not run it.
  const monitor = ['-machine', 'none', '-nodefaults', '-display', 'none', '-qmp', 'stdio'];
  const file = { driver: 'file', filename: overlay };
  const node = JSON.stringify({ driver: 'qcow2', 'node-name': 'disk', file, backing: null });
  const commands = [
    { execute: 'qmp_capabilities' },
    { execute: 'snapshot-save', arguments: { 'job-id': 'save', tag: 'running', vmstate: 'disk', devices: ['disk'] } },
  ];
  const qemu = spawn('qemu-system-x86_64', [...monitor, '-blockdev', node], { stdin: 'pipe' });
  let said = '';
  const saved = new Promise<void>((resolve) => {
    qemu.stdout?.on('data', (chunk) => {
      said += String(chunk);
      if (said.includes('concluded')) resolve();
    });
  });
  for (const command of commands) qemu.stdin?.write(`${JSON.stringify(command)}\n`);
  await Promise.race([saved, qemu.exited]);
  qemu.stdin?.write(`${JSON.stringify({ execute: 'quit' })}\n`);
  await qemu.exited;
  await create(data, 'stopped');
  const noted = async () => parseSidecar(await readFile(sidecar, 'utf8'), sidecar).resume;
  await restore(data, 'running');
  expect(await noted()).toBe('running');
  await restore(data, 'stopped');
  expect(await noted()).toBeUndefined();
});

/** Resolves when files in the folder have been written to `count` times. */
async function writes(data: string, count: number): Promise<void> {
  let left = count;
  if (left === 0) return;
  for await (const { eventType } of watch(data)) if (eventType === 'change' && --left === 0) return;
}

test('a change that is killed at any moment leaves one state or the other, and a disk without an error', async () => {
  const data = await machine(0x21);
  const paths = dataPaths(data);
  await write(data, [base], ...Array.from({ length: 60 }, (_, index) => `write -P 0x31 ${index}M 64k`));
  await create(data, 'first');
  await write(data, [base], 'write -P 0x32 0 60M');
  const alone = JSON.stringify({ driver: 'qcow2', file: { driver: 'file', filename: paths.overlay }, backing: null });
  for (const [round, words] of [
    ['-c', 'x'],
    ['-a', 'first'],
    ['-d', 'x'],
    ['-a', 'first'],
    ['-c', 'y'],
  ].entries()) {
    const child = spawn('qemu-img', ['snapshot', '-q', ...words, `json:${alone}`], { detached: true });
    await writeFile(paths.changing, '');
    // Killed at its first write to the disk, at its second, ...
    await Promise.race([writes(data, round), child.exited]);
    child.kill('SIGKILL');
    await child.exited;
    expect(await settleSnapshots(exec, paths)).toBe(true);
    await expectClean(data);
    expect((await holds(data, 0x32, '0 60M')) || (await holds(data, 0x31, '0 64k'))).toBe(true);
  }
  expect(await names(data)).toContain('first');
});
