import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DataPaths, dataPaths, overlayStamp } from '@virtainers/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeLeftovers } from './data-folder.ts';
import { findMemory, keepMemory, misfits, noRoomForMemory, useUp } from './saved-memory.ts';

const NOW = new Date('2026-01-02T03:04:05.678Z');
const users = { asRoot: false, qemu: { uid: 107, gid: 107 } };
const machine = { fits: { RAM: '256 MiB', accelerator: 'tcg' }, domain: '<domain>\n  <a/>\n</domain>' };

let paths: DataPaths;
beforeEach(async () => {
  paths = dataPaths(await mkdtemp(join(tmpdir(), 'virtainers-memory-')));
  await writeFile(paths.overlay, 'disk');
});
afterEach(() => rm(paths.folder, { recursive: true }));

async function save(): Promise<void> {
  await writeFile(paths.memoryTemp, 'memory');
  await keepMemory(paths, machine, users, NOW);
}

const present = async () => ({ overlay: await overlayStamp(paths.overlay), ...machine });

test('what was saved is found by the same machine, once', async () => {
  await save();
  expect(await findMemory(paths, present, NOW)).toMatchObject({ kind: 'fits', record: { savedAt: NOW.toISOString() } });
  await useUp(paths);
  expect(await readdir(paths.folder)).toEqual(['local_image.qcow2']);
  expect(await findMemory(paths, present, NOW)).toEqual({ kind: 'none' });
});

test('another machine is named with both values, and the memory kept under another name', async () => {
  await save();
  const other = async () => ({ ...(await present()), fits: { RAM: '512 MiB', accelerator: 'kvm', QEMU: 'QEMU 11' } });
  const found = await findMemory(paths, other, NOW);
  const aside = join(paths.folder, 'local_memory.aside-20260102T030405Z.save');
  expect(found).toEqual({
    kind: 'aside',
    because: [
      'RAM: saved with 256 MiB, now 512 MiB',
      'accelerator: saved with tcg, now kvm',
      'QEMU: saved with none, now QEMU 11',
    ],
    to: aside,
  });
  expect(await readFile(aside, 'utf8')).toBe('memory');
  expect(await findMemory(paths, present, NOW)).toEqual({ kind: 'none' });
  // A start, which cleans up, leaves it alone.
  await removeLeftovers(paths, NOW);
  expect(await readFile(aside, 'utf8')).toBe('memory');
});

test('a second one that is put aside in the same second gets a name of its own', async () => {
  const other = async () => ({ ...(await present()), fits: {} });
  for (const _ of [1, 2]) {
    await save();
    await findMemory(paths, other, NOW);
  }
  expect((await readdir(paths.folder)).filter((name) => name.endsWith('.save'))).toEqual([
    'local_memory.aside-20260102T030405Z-1.save',
    'local_memory.aside-20260102T030405Z.save',
  ]);
});

test('a disk that was written after the save is never met by the old memory', async () => {
  await save();
  await writeFile(paths.overlay, 'kisd');
  const found = await findMemory(paths, present, NOW);
  expect(found.kind === 'aside' && found.because).toEqual([
    expect.stringMatching(/^the disk was written after the memory was saved: at \S+ then, at \S+ now$/),
  ]);
});

test('the first line of the XML that differs is named where nothing else does', async () => {
  await save();
  const found = await findMemory(
    paths,
    async () => ({ ...(await present()), domain: '<domain>\n  <b/>\n</domain>' }),
    NOW,
  );
  expect(found.kind === 'aside' && found.because).toEqual(["the machine's devices: saved with <a/>, now <b/>"]);
});

test('XML that goes on where the saved one ends differs too', () => {
  const record = { formatVersion: 1 as const, savedAt: '', overlay: { size: '1', mtime: '1' }, ...machine };
  expect(misfits(record, { ...record, domain: `${machine.domain}\n<more/>` })).toEqual([
    "the machine's devices: saved with none, now <more/>",
  ]);
  expect(misfits(record, record)).toEqual([]);
});

test.each([
  ['is no JSON', 'x'],
  ['is of a newer version', '{"formatVersion":99}'],
  ['lacks what it must have', '{"formatVersion":1}'],
])('a record that %s is put aside with its memory', async (_what, text) => {
  await save();
  await writeFile(paths.memoryRecord, text);
  expect(await findMemory(paths, present, NOW)).toMatchObject({ kind: 'aside' });
  expect((await readdir(paths.folder)).sort()).toEqual([
    'local_image.qcow2',
    'local_memory.aside-20260102T030405Z.json',
    'local_memory.aside-20260102T030405Z.save',
  ]);
});

test('killed while it saves or resumes, a start finds no memory and clears up; a complete one stays', async () => {
  for (const path of [paths.memory, paths.memoryUsed, paths.memoryTemp, `${paths.memoryRecord}.0123456789ab.tmp`])
    await writeFile(path, 'x');
  expect(await removeLeftovers(paths, NOW)).toBeUndefined();
  expect(await readdir(paths.folder)).toEqual(['local_image.qcow2']);
  await save();
  expect(await removeLeftovers(paths, NOW)).toBeUndefined();
  expect(await findMemory(paths, present, NOW)).toMatchObject({ kind: 'fits' });
});

test('memory whose record could not be written is put aside and not deleted', async () => {
  await mkdir(join(paths.memoryRecord, 'in the way'), { recursive: true });
  await expect(save()).rejects.toThrow();
  await rm(paths.memoryRecord, { recursive: true });
  const aside = await removeLeftovers(paths, NOW);
  expect(aside).toBe(join(paths.folder, 'local_memory.aside-20260102T030405Z.save'));
  expect(await readFile(aside ?? '', 'utf8')).toBe('memory');
  expect(await findMemory(paths, present, NOW)).toEqual({ kind: 'none' });
});

test('memory without room for it is not saved, and the figures are said', async () => {
  expect(await noRoomForMemory(paths, 1)).toBeUndefined();
  expect(await noRoomForMemory(paths, 1024 ** 3)).toMatch(/has \d+ MiB free, and 1073741888 MiB are needed$/);
});
