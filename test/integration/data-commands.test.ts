import {
  appendFile,
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import {
  belongs,
  type ChainLink,
  dataPaths,
  IN_IMAGE,
  overlayStamp,
  parseSidecar,
  readMemoryRecord,
  writeMemoryRecord,
  writeSidecar,
} from '@virtainers/core';
import { beforeAll, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { takeDisks } from '../../packages/builder/src/publish/image-disks.ts';
import { openOrigin } from '../../packages/builder/src/publish/open-origin.ts';
import { exportData, importData } from '../../packages/host/src/data/export.ts';
import { rebaseData } from '../../packages/host/src/data/rebase.ts';
import { createSnapshot, restoreSnapshot } from '../../packages/host/src/data/snapshot.ts';
import { publishDisk } from '../../packages/host/src/publish/publish.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';
import { hostContext, makeData, shown, write } from './publish-samples.ts';

let folder: string;
let ctx: BuildContext;
/** Two bakes of different disks: archive, the disk as a file here and as a link of chains. */
let one: Base;
let two: Base;
let count = 0;
const at = (name: string) => join(folder, name);

interface Base {
  readonly archive: string;
  readonly file: string;
  readonly chain: ChainLink[];
}

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'skopeo', 'flock', 'prlimit');
  folder = await tempFolder('data-commands');
  ctx = await makeContext(folder);
  await makeRawDisk(at('one.raw'));
  await copyFile(at('one.raw'), at('two.raw'));
  await exec('qemu-io', ['-f', 'raw', '-c', 'write -P 0x77 2M 256k', '-c', 'write -P 0x78 6M 64k', at('two.raw')]);
  const runtime = await publishRoot(folder);
  [one, two] = [await makeBase('one', runtime), await makeBase('two', runtime)];
});

async function makeBase(name: string, runtime: string): Promise<Base> {
  const archive = at(`${name}.tar`);
  await bake(ctx, { source: at(`${name}.raw`), definitions: [], runtime, output: archive });
  const { chain, files } = await takeDisks(ctx, await openOrigin(ctx, archive), at(`${name}-disks`));
  return { archive, file: files[0] ?? '', chain: [...chain] };
}

/** A data folder on `one`, and what its guest sees, as a file that stays. */
async function sample(): Promise<{ data: string; before: string }> {
  count += 1;
  const data = await makeData(at(`data-${count}`), one.chain, one.archive);
  await write(data, [one.file], 'write -P 0x55 4M 64k', 'write -P 0 2M 128k', 'write -z 1M 64k');
  const before = at(`before-${count}.raw`);
  await exec('qemu-img', ['convert', '-O', 'raw', shown(data, [one.file]), before]);
  return { data, before };
}

async function expectShows(data: string, base: Base, before: string): Promise<void> {
  const { stdout } = await exec('qemu-img', ['compare', shown(data, [base.file]), `json:${rawName(before)}`]);
  expect(stdout).toContain('identical');
}

function rawName(filename: string): string {
  return JSON.stringify({ driver: 'raw', file: { driver: 'file', filename } });
}

async function sidecarOf(data: string) {
  return parseSidecar(await readFile(dataPaths(data).sidecar, 'utf8'), 'x');
}

const rebase = (data: string, onto: string) => rebaseData(hostContext(ctx), ctx, { folder: data, onto });

test('a data folder travels as one file, and the guest sees the same', async () => {
  const { data, before } = await sample();
  const { variables, secureVariables, tpm } = dataPaths(data);
  await mkdir(tpm);
  for (const path of [variables, secureVariables, join(tpm, 'tpm2-00.permall')]) await writeFile(path, `of ${path}`);
  await writeFile(join(tpm, '.lock'), '');
  const size = await exportData(hostContext(ctx), ctx, { source: data, file: at('box.virtainer') });
  expect((await stat(at('box.virtainer'))).mode & 0o777).toBe(0o600);
  expect(size).toBeLessThan(512 * 1024);
  await importData(hostContext(ctx), at('box.virtainer'), at('imported'));
  expect(await sidecarOf(at('imported'))).toEqual(await sidecarOf(data));
  await expectShows(at('imported'), one, before);
  const state = ['local_variables.fd', 'local_secure_variables.fd', 'local_tpm'];
  expect((await readdir(at('imported'))).sort()).toEqual([...Object.values(NAMES), ...state].sort());
  expect(await readdir(dataPaths(at('imported')).tpm)).toEqual(['tpm2-00.permall']);
  for (const name of ['local_variables.fd', 'local_secure_variables.fd', 'local_tpm/tpm2-00.permall']) {
    expect(await readFile(join(at('imported'), name), 'utf8')).toBe(`of ${join(data, name)}`);
  }
  const again = importData(hostContext(ctx), at('box.virtainer'), at('imported'));
  await expect(again).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE', exitCode: 73 });
});

test('saved memory travels with the disk that it belongs to, holes and all, and with no other', async () => {
  const { data } = await sample();
  const paths = dataPaths(data);
  await writeFile(paths.memory, 'memory');
  await truncate(paths.memory, 4 * 1024 * 1024);
  await appendFile(paths.memory, 'of the guest');
  const record = { savedAt: '2026-01-02T03:04:05Z', fits: { RAM: '256 MiB' }, domain: '<domain/>' };
  await writeMemoryRecord(paths, { ...record, overlay: await overlayStamp(paths.overlay) });
  await exportData(hostContext(ctx), ctx, { source: data, file: at('saved.virtainer') });
  await importData(hostContext(ctx), at('saved.virtainer'), at('saved'));
  const imported = dataPaths(at('saved'));
  expect((await readFile(imported.memory)).equals(await readFile(paths.memory))).toBe(true);
  expect((await stat(imported.memory)).blocks * 512).toBeLessThan(3 * 1024 * 1024);
  expect(await readMemoryRecord(imported)).toMatchObject({ ...record, overlay: await overlayStamp(imported.overlay) });
  // Its disk was written since: a start would put it aside.
  await write(data, [one.file], 'write -P 0x56 5M 64k');
  const warnings: string[] = [];
  const host = hostContext(ctx);
  const log = { ...host.log, warn: (line: string) => void warnings.push(line) };
  await exportData({ ...host, log }, ctx, { source: data, file: at('stale.virtainer') });
  expect(warnings).toEqual([expect.stringContaining('its memory is not in the file')]);
  await importData(hostContext(ctx), at('stale.virtainer'), at('stale'));
  expect((await readdir(at('stale'))).sort()).toEqual(Object.values(NAMES).sort());
});

test('a snapshot of a saved machine leaves its memory resumable, going back to one does not', async () => {
  const { data } = await sample();
  const paths = dataPaths(data);
  await writeFile(paths.memory, 'memory');
  const overlay = await overlayStamp(paths.overlay);
  await writeMemoryRecord(paths, { savedAt: '2026-01-02T03:04:05Z', fits: {}, domain: '', overlay });
  const belongsNow = async () => {
    const record = await readMemoryRecord(paths);
    return record && belongs(record, await overlayStamp(paths.overlay));
  };
  await createSnapshot(hostContext(ctx), { source: data, name: 'first', diskOnly: false });
  expect(await overlayStamp(paths.overlay)).not.toEqual(overlay);
  expect(await belongsNow()).toBe(true);
  await restoreSnapshot(hostContext(ctx), { source: data, name: 'first', discard: true });
  expect(await belongsNow()).toBe(false);
});

test('a rebase puts saved memory aside; publishing leaves it where it is', async () => {
  const { data } = await sample();
  const paths = dataPaths(data);
  await writeFile(paths.memory, 'memory');
  const overlay = await overlayStamp(paths.overlay);
  await writeMemoryRecord(paths, { savedAt: '2026-01-02T03:04:05Z', fits: {}, domain: '', overlay });
  const said: string[] = [];
  const log = { ...ctx.log, warn: (line: string) => void said.push(line) };
  const words = { source: data, reference: 'me/saved:1', output: at('published.tar') };
  await publishDisk({ ...hostContext(ctx), log }, ctx, words);
  expect(said).toEqual([expect.stringContaining('its memory is not published')]);
  expect((await stat(at('published.tar'))).mode & 0o777).toBe(0o600);
  expect(await readMemoryRecord(paths)).toBeDefined();
  await rebaseData({ ...hostContext(ctx), log }, ctx, { folder: data, onto: two.archive });
  expect(said[1]).toMatch(/^saved memory does not fit the new base and is put aside as \S+\.save; the guest boots$/);
  const names = (await readdir(data)).filter((name) => name.startsWith('local_memory'));
  expect(names.sort()).toEqual([
    expect.stringMatching(/^local_memory\.aside-\w+\.json$/),
    expect.stringMatching(/^local_memory\.aside-\w+\.save$/),
  ]);
});

const NAMES = { overlay: 'local_image.qcow2', sidecar: 'local_image.json', lock: 'local_image.lock' };

test('a file that was damaged or cut short gives no data folder', async () => {
  const { data } = await sample();
  const file = at('damaged.virtainer');
  const size = await exportData(hostContext(ctx), ctx, { source: data, file });
  await exec('qemu-io', ['-f', 'raw', '-c', `write -P 0x99 ${Math.floor(size / 1024) * 512} 512`, file]);
  await expect(importData(hostContext(ctx), file, at('no'))).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  await truncate(file, size - 100_000);
  await expect(importData(hostContext(ctx), file, at('no'))).rejects.toMatchObject({ code: 'ARCHIVE_INVALID' });
  await expect(importData(hostContext(ctx), one.archive, at('no'))).rejects.toThrow(/export\.json is not in it/);
  expect(await readdir(at('no'))).toEqual([NAMES.lock]);
});

test('a rebase keeps what the guest sees, on another disk; a flattened image of it shows it too', async () => {
  const { data, before } = await sample();
  const chain = await rebase(data, two.archive);
  expect(chain).toEqual(two.chain);
  expect(await sidecarOf(data)).toMatchObject({ chain: two.chain, reference: two.archive });
  await expectShows(data, two, before);
  expect((await readdir(data)).sort()).toEqual(Object.values(NAMES).sort());
  await publishDisk(hostContext(ctx), ctx, {
    source: data,
    reference: 'me/flat:1',
    fold: 'flatten',
    output: at('flat.tar'),
  });
  const { files } = await takeDisks(ctx, await openOrigin(ctx, at('flat.tar')), at('flat-disks'));
  const flat = JSON.stringify({ driver: 'qcow2', file: { driver: 'file', filename: files[0] } });
  expect((await exec('qemu-img', ['compare', `json:${flat}`, `json:${rawName(before)}`])).stdout).toContain(
    'identical',
  );
});

test('a rebase that cannot be done leaves everything as it was', async () => {
  const { data, before } = await sample();
  const sidecar = await sidecarOf(data);
  await expect(rebase(data, at('nothing.tar'))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  const stranger = { ...sidecar, chain: two.chain, reference: one.archive };
  await writeSidecar(dataPaths(data).sidecar, stranger);
  const elsewhere = { ...ctx, cacheDir: at('empty-cache') };
  const failure = await rebaseData(hostContext(ctx), elsewhere, { folder: data, onto: two.archive }).catch(
    (error) => error,
  );
  expect(failure).toMatchObject({ code: 'BASE_MISMATCH' });
  for (const base of [one, two]) expect(failure.message).toContain(base.chain[0]?.sha256);
  await writeSidecar(dataPaths(data).sidecar, sidecar);
  await expectShows(data, one, before);
  expect((await readdir(data)).sort()).toEqual(Object.values(NAMES).sort());
});

test('a rebase that was killed between its two files is refused by everything but the next rebase', async () => {
  const { data, before } = await sample();
  const { overlay, sidecar } = dataPaths(data);
  const old = await sidecarOf(data);
  const other = await makeData(at('other'), two.chain);
  await link(overlay, `${overlay}.before-rebase`);
  const path = '(a rebase was interrupted: run `virtainers rebase` again)';
  const between = { ...old, chain: two.chain.map((each) => ({ ...each, path })), before: old };
  await writeSidecar(sidecar, between);
  await rename(dataPaths(other).overlay, overlay);
  const exported = exportData(hostContext(ctx), ctx, { source: data, file: at('no.virtainer') });
  await expect(exported).rejects.toThrow(/a rebase was interrupted/);
  await rebase(data, two.archive);
  await expectShows(data, two, before);
  expect((await sidecarOf(data)).chain[0]?.path).toBe(IN_IMAGE.disk);
});
