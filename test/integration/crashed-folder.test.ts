import { once } from 'node:events';
import { chmod, cp, mkdir, open as openFile, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { changeSnapshot, changingSnapshots, dataPaths, digestFile, type Log, lockFile } from '@virtainers/core';
import { beforeEach, expect, test } from 'vitest';
import { COPIED } from '../../packages/runtime/src/disk/mend-overlay.ts';
import { openDisk } from '../../packages/runtime/src/disk/open-disk.ts';
import { exec, requireTool, spawn } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const log: Log = { info: () => undefined, warn: () => undefined, debug: () => undefined };
let base: string;
let data: string;

/** A data folder whose guest wrote three megabytes. */
beforeEach(async () => {
  await requireTool('qemu-img', 'qemu-io', 'flock', 'setpriv');
  const folder = await tempFolder('crashed');
  await chmod(folder, 0o755);
  base = join(folder, 'disk.qcow2');
  data = join(folder, 'mounted');
  await mkdir(data);
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', base, '64M']);
  const first = await open(data);
  await first.release();
  await exec('qemu-io', ['-f', 'qcow2', '-c', 'write -P 1 0 3M', dataPaths(data).overlay]);
});

async function open(imageDir: string) {
  const facts = { sha256: await digestFile(base), size: (await stat(base)).size, virtualSize: 64 * 1024 ** 2 };
  const users = { asRoot: true, qemu: { uid: 107, gid: 107 } };
  return openDisk(exec, spawn, {
    ...{ imageDir, base: { kind: 'baked', path: base, ...facts }, diskSize: undefined, reference: undefined },
    ...{ ...users, holder: 'box', mountinfo: '', log },
  });
}

async function checked(path: string): Promise<number> {
  return (await exec('qemu-img', ['check', path], { allowFailure: true })).exitCode;
}

test('clusters that a killed QEMU leaked are given back at the next start', async () => {
  const { overlay } = dataPaths(data);
  await forgetFirstCluster(overlay);
  expect(await checked(overlay)).toBe(3);
  await (await open(data)).release();
  expect(await checked(overlay)).toBe(0);
});

/** The guest's first cluster loses its entry in the tables, but not its count (QEMU, docs/interop/qcow2.txt). */
async function forgetFirstCluster(path: string): Promise<void> {
  const handle = await openFile(path, 'r+');
  const number = async (at: number) => {
    const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, at);
    return Number(buffer.readBigUInt64BE() & 0x00ff_ffff_ffff_fe00n);
  };
  await handle.write(Buffer.alloc(8), 0, 8, await number(await number(40)));
  await handle.close();
}

test('an overlay that was cut short is refused, with what is wrong and the ways out', async () => {
  const { overlay } = dataPaths(data);
  await truncate(overlay, (await stat(overlay)).size - 1024 ** 2);
  const failure = await open(data).catch((error) => error);
  expect(failure).toMatchObject({ code: 'DISK_REFUSED', exitCode: 65 });
  expect(failure.message).toMatch(/the disk is damaged\n +\S/);
  expect(failure.hint).toContain('qemu-img check -r all');
});

test('one that another program has open is not damaged: 73, and the disk is as it was', async () => {
  const { overlay } = dataPaths(data);
  const other = spawn('qemu-io', ['-f', 'qcow2', overlay], { stdin: 'pipe' });
  try {
    await once(other.stdout as Readable, 'data');
    const failure = await open(data).catch((error) => error);
    expect(failure).toMatchObject({ code: 'DATA_IN_USE', exitCode: 73 });
    expect(failure.message).toContain(overlay);
    expect(`${failure.message} ${failure.hint}`).not.toMatch(/damaged|check -r/);
  } finally {
    other.stdin?.end();
    await other.exited;
  }
  await (await open(data)).release();
});

test('a copy that was made while its machine ran is told so, and why it is damaged if it is', async () => {
  const running = await open(data);
  await cp(data, `${data}-copy`, { recursive: true });
  await cp(data, `${data}-torn`, { recursive: true });
  await running.release();
  const copy = await open(`${data}-copy`);
  expect(copy.warnings).toEqual([COPIED]);
  await copy.release();
  const again = await open(`${data}-copy`);
  expect(again.warnings).toEqual([]);
  await again.release();
  await truncate(dataPaths(`${data}-torn`).overlay, 1024 ** 2);
  await expect(open(`${data}-torn`)).rejects.toThrow(/damaged: it was copied while its machine ran/);
});

test('no such words for a copy of a stopped machine, nor for a machine that was killed where it lies', async () => {
  await (await open(data)).release();
  await cp(data, `${data}-copy`, { recursive: true });
  const copy = await open(`${data}-copy`);
  expect(copy.warnings).toEqual([]);
  await copy.release();
  const { lock } = dataPaths(data);
  const killed = await open(data);
  const note = await readFile(lock, 'utf8');
  expect(note).toMatch(/^box\nruns on inode \d+\n$/);
  await killed.release();
  await writeNote(lock, note);
  const again = await open(data);
  expect(again.warnings).toEqual([]);
  await again.release();
});

test('a torn copy is refused, and not repaired, after an interrupted change of snapshots, too; a refused change leaves no note', async () => {
  const paths = dataPaths(data);
  await twoOnOneCluster(paths.overlay);
  const torn = await readFile(paths.overlay);
  await writeFile(paths.changing, '');
  for (const note of ['box\nruns on inode 1\n', '']) {
    await writeNote(paths.lock, note);
    const failure = await open(data).catch((error) => error);
    expect(failure).toMatchObject({ code: 'DISK_REFUSED', exitCode: 65 });
    expect(failure.message.includes('copied while its machine ran')).toBe(note !== '');
    if (note) expect((await readFile(paths.overlay)).equals(torn)).toBe(true);
  }
  await rm(paths.changing);
  const refused = changingSnapshots(paths, () => changeSnapshot(exec, paths, 'remove', 'nothing'));
  await expect(refused).rejects.toMatchObject({ code: 'COMMAND_FAILED' });
  expect(await readdir(data)).not.toContain('local_image.changing');
});

/** The guest's second cluster gets the entry of its first. */
async function twoOnOneCluster(path: string): Promise<void> {
  const handle = await openFile(path, 'r+');
  const entry = async (at: number) => (await handle.read(Buffer.alloc(8), 0, 8, at)).buffer;
  const offset = async (at: number) => Number((await entry(at)).readBigUInt64BE() & 0x00ff_ffff_ffff_fe00n);
  const table = await offset(await offset(40));
  await handle.write(await entry(table), 0, 8, table + 8);
  await handle.close();
}

test("the note outlives a host's command on the copy", async () => {
  const running = await open(data);
  await cp(data, `${data}-copy`, { recursive: true });
  await running.release();
  await (await lockFile(spawn, dataPaths(`${data}-copy`).lock, 'virtainers on host')).release();
  const copy = await open(`${data}-copy`);
  expect(copy.warnings).toEqual([COPIED]);
  await copy.release();
});

async function writeNote(path: string, text: string): Promise<void> {
  const handle = await openFile(path, 'r+');
  await handle.truncate();
  await handle.writeFile(text);
  await handle.close();
}
