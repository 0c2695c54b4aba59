import { chmod, copyFile, mkdir, open as openFile, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeOverlay, digestFile, type Log, overlayPaths, readQcow2Header } from '@virtainers/core';
import { beforeEach, expect, test } from 'vitest';
import type { BaseDisk } from '../../packages/runtime/src/disk/base-disk.ts';
import { type OpenDiskOptions, openDisk } from '../../packages/runtime/src/disk/open-disk.ts';
import { exec, requireTool, spawn } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const MIB = 1024 ** 2;
const quiet: Log = { info: () => undefined, warn: () => undefined, debug: () => undefined };
type Baked = Extract<BaseDisk, { kind: 'baked' }> & { readonly overlays: string };

/** An image with a base disk and two overlays that were published on it, as it lies in a container. */
let image: Baked;
let data: string;

beforeEach(async () => {
  await requireTool('qemu-img', 'qemu-io', 'flock', 'setpriv');
  const folder = await tempFolder('image-chain');
  await chmod(folder, 0o755);
  const [path, overlays] = [join(folder, 'disk.qcow2'), join(folder, 'overlays')];
  data = join(folder, 'mounted');
  await mkdir(overlays);
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M']);
  await fill(path, 0x10, 0);
  await chmod(path, 0o444);
  image = { kind: 'baked', path, overlays, ...(await factsOf(path)), virtualSize: 64 * MIB };
  await publish(1, path, image.sha256);
  await publish(2, overlayPaths(1, overlays).disk, (await factsOf(overlayPaths(1, overlays).disk)).sha256);
});

async function publish(number: number, below: string, on: `sha256:${string}`): Promise<void> {
  const { disk, description } = overlayPaths(number, image.overlays);
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', below, disk, '64M']);
  await fill(disk, 0x10 + number, number);
  await chmod(disk, 0o444);
  await writeFile(
    description,
    JSON.stringify(describeOverlay({ ...(await factsOf(disk)), virtualSize: 64 * MIB, on })),
  );
}

async function fill(path: string, pattern: number, megabyte: number): Promise<void> {
  await exec('qemu-io', ['-f', 'qcow2', '-c', `write -P ${pattern} ${megabyte}M 1M`, path]);
}

async function factsOf(path: string) {
  return { sha256: await digestFile(path), size: (await stat(path)).size };
}

function open(options: Partial<OpenDiskOptions> = {}) {
  const facts = { asRoot: true, qemu: { uid: 107, gid: 107 }, reference: undefined, holder: 'x', mountinfo: '' };
  return openDisk(exec, spawn, { imageDir: data, base: image, diskSize: undefined, log: quiet, ...facts, ...options });
}

const refusal = (code: string) => expect.objectContaining({ code, exitCode: 65 });

async function changeByte(path: string): Promise<void> {
  const handle = await openFile(path, 'r+');
  const { size } = await handle.stat();
  const last = Buffer.alloc(1);
  await handle.read(last, 0, 1, size - 1);
  await handle.write(Buffer.from([(last[0] ?? 0) ^ 1]), 0, 1, size - 1);
  await handle.close();
}

test('the local overlay lies on the last published one, shows all of them, and grows', async () => {
  const first = await open();
  const paths = [overlayPaths(2, image.overlays).disk, overlayPaths(1, image.overlays).disk, image.path];
  expect(first.backing).toEqual(paths.map((path) => ({ path, format: 'qcow2' })));
  expect((await readQcow2Header(first.overlay))?.backingFile).toBe(paths[0]);
  await first.release();
  const second = await open({ diskSize: 128 * MIB });
  expect(second.virtualSize).toBe(128 * MIB);
  await second.release();
  for (const number of [0, 1, 2]) {
    const read = ['-f', 'qcow2', '-r', '-c', `read -P ${0x10 + number} ${number}M 1M`, second.overlay];
    expect((await exec('qemu-io', read)).stdout).not.toContain('verification failed');
  }
  const { chain } = JSON.parse(await readFile(join(data, 'local_image.json'), 'utf8'));
  expect(chain.map(({ path }: { path: string }) => path)).toEqual(paths.toReversed());
  await (await open({ base: { ...image, verify: true } })).release();
});

test('published overlays in another order are refused with both digests', async () => {
  const [one, two] = [overlayPaths(1, image.overlays), overlayPaths(2, image.overlays)];
  const digests = [(await factsOf(one.disk)).sha256, image.sha256];
  for (const [from, to] of [
    [one, { disk: `${one.disk}.x`, description: `${one.description}.x` }],
    [two, one],
    [{ disk: `${one.disk}.x`, description: `${one.description}.x` }, two],
  ] as const) {
    await rename(from.disk, to.disk);
    await rename(from.description, to.description);
  }
  const failure = await open().catch((error) => error);
  expect(failure).toEqual(refusal('BASE_MISMATCH'));
  for (const digest of digests) expect(failure.message).toContain(digest);
});

test('another bake below published overlays is refused', async () => {
  const base = { ...image, sha256: `sha256:${'0'.repeat(64)}` as const };
  await expect(open({ base })).rejects.toThrow(refusal('BASE_MISMATCH'));
});

test.for([0, 1])(
  'one byte changed in place is refused with VERIFY=full, both digests named: link %s',
  async (number) => {
    await (await open()).release();
    const path = number === 0 ? image.path : overlayPaths(number, image.overlays).disk;
    const before = await digestFile(path);
    await changeByte(path);
    await (await open()).release();
    const failure = await open({ base: { ...image, verify: true } }).catch((error) => error);
    expect(failure).toEqual(refusal('BASE_MISMATCH'));
    expect(failure.message).toContain(before);
    expect(failure.message).toContain(await digestFile(path));
  },
);

test('a published overlay that is cut short or missing is refused', async () => {
  const { disk, description } = overlayPaths(1, image.overlays);
  const text = await readFile(description, 'utf8');
  const { size } = await stat(disk);
  await writeFile(description, text.replace(`"size":${size}`, `"size":${size + 1}`));
  await expect(open()).rejects.toThrow(refusal('BASE_MISMATCH'));
  await writeFile(description, text);
  await rename(disk, `${disk}.gone`);
  await expect(open()).rejects.toThrow(refusal('DISK_REFUSED'));
  await rename(description, `${description}.gone`);
  await expect(open()).rejects.toThrow(/1\.json: ENOENT/);
});

test('a published overlay of a newer format is refused as such', async () => {
  const { description } = overlayPaths(2, image.overlays);
  await writeFile(description, JSON.stringify({ formatVersion: 2 }));
  await expect(open()).rejects.toThrow(/made by a newer virtainers/);
});

test("a stranger's published overlay, whose header names another file, is refused unread", async () => {
  const { disk } = overlayPaths(1, image.overlays);
  const copy = `${disk}.copy`;
  await copyFile(disk, copy);
  await chmod(copy, 0o644);
  await exec('qemu-img', ['rebase', '-u', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/hostname', copy]);
  await rename(copy, disk);
  await expect(open()).rejects.toThrow(refusal('DISK_REFUSED'));
  await expect(open()).rejects.toThrow(/"\/etc\/hostname"/);
});
