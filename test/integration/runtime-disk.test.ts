import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { bindOverlay, dataPaths, digestFile, type Log, readQcow2Header } from '@virtainers/core';
import { beforeAll, expect, test } from 'vitest';
import type { BaseDisk } from '../../packages/runtime/src/disk/base-disk.ts';
import { findMountedImage } from '../../packages/runtime/src/disk/base-disk.ts';
import { type OpenDiskOptions, openDisk } from '../../packages/runtime/src/disk/open-disk.ts';
import { exec, requireTool, spawn } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const MIB = 1024 ** 2;
const quiet: Log = { info: () => undefined, warn: () => undefined, debug: () => undefined };

/** A base as it lies in an image: qcow2, described by what machine.json would say. */
let baked: Extract<BaseDisk, { kind: 'baked' }>;
let bases: string;

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'flock', 'setpriv');
  bases = await openFolder('base');
  baked = await makeBase('disk.qcow2', 0x11);
});

/** A folder that QEMU's user may pass through, unlike mkdtemp's. */
async function openFolder(label: string): Promise<string> {
  const folder = await tempFolder(label);
  await chmod(folder, 0o755);
  return folder;
}

async function makeBase(name: string, pattern: number): Promise<Extract<BaseDisk, { kind: 'baked' }>> {
  const path = join(bases, name);
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', path, '64M']);
  await exec('qemu-io', ['-f', 'qcow2', '-c', `write -P ${pattern} 0 1M`, path]);
  await chmod(path, 0o444);
  return { kind: 'baked', path, sha256: await digestFile(path), size: (await stat(path)).size, virtualSize: 64 * MIB };
}

async function dataFolder(): Promise<string> {
  const folder = join(await openFolder('data'), 'mounted');
  await mkdir(folder, { mode: 0o755 });
  return folder;
}

function open(imageDir: string, options: Partial<OpenDiskOptions> = {}) {
  return openDisk(exec, spawn, {
    imageDir,
    base: baked,
    diskSize: undefined,
    asRoot: true,
    qemu: { uid: 107, gid: 107 },
    reference: undefined,
    holder: 'container-1',
    mountinfo: '',
    log: quiet,
    ...options,
  });
}

/** Reads the first megabyte through the chain, as a guest would see it. */
async function holds(overlay: string, pattern: number): Promise<boolean> {
  const { stdout } = await exec('qemu-io', ['-f', 'qcow2', '-r', '-c', `read -P ${pattern} 0 1M`, overlay]);
  return !stdout.includes('Pattern verification failed');
}

const refusal = (code: string) => expect.objectContaining({ code });

test('V5: a new overlay names its backing format, shows the base, and keeps its identity at the next start', async () => {
  const folder = await dataFolder();
  const first = await open(folder, { reference: 'example/box:1' });
  expect(first).toMatchObject({ created: true, virtualSize: 64 * MIB, persistent: false, warnings: [] });
  expect(first.backing).toEqual([{ path: baked.path, format: 'qcow2' }]);
  expect(await readQcow2Header(first.overlay)).toMatchObject({ backingFormat: 'qcow2', backingFile: baked.path });
  expect(await holds(first.overlay, 0x11)).toBe(true);
  await first.remember({ instanceId: 'virtainers-1', generatedPassword: 'abc' });
  await first.release();
  const diffIDs = [`sha256:${'d'.repeat(64)}`] as const;
  const second = await open(folder, { diffIDs });
  expect(second).toMatchObject({ created: false, instanceId: 'virtainers-1', generatedPassword: 'abc' });
  expect([second.uuid, second.volumeId, second.macAt(9)]).toEqual([first.uuid, first.volumeId, first.macAt(9)]);
  await second.release();
  const sidecar = JSON.parse(await readFile(join(folder, 'local_image.json'), 'utf8'));
  expect(sidecar).toMatchObject({ formatVersion: 2, reference: 'example/box:1', chain: [{ sha256: baked.sha256 }] });
  expect(sidecar.diffIDs).toEqual(diffIDs);
});

test('V6: another base is refused with both digests, and nothing is written', async () => {
  const folder = await dataFolder();
  await (await open(folder)).release();
  const before = await snapshot(folder);
  const other = await makeBase('other.qcow2', 0x22);
  const failure = await open(folder, { base: other }).catch((error) => error);
  expect(failure).toMatchObject({ code: 'BASE_MISMATCH', exitCode: 65 });
  expect(failure.message).toContain(baked.sha256);
  expect(failure.message).toContain(other.sha256);
  expect(await snapshot(folder)).toEqual(before);
  await (await open(folder)).release();
});

/** Everything in a folder but the lock, which is no data. */
async function snapshot(folder: string) {
  const names = (await readdir(folder)).filter((name) => name !== 'local_image.lock').sort();
  return Promise.all(
    names.map(async (name) => {
      const { mtimeNs, ctimeNs, size } = await stat(join(folder, name), { bigint: true });
      return [name, size, mtimeNs, ctimeNs];
    }),
  );
}

test('V7: DISK_SIZE below the base or the overlay is refused; above it the overlay grows and keeps its data', async () => {
  const folder = await dataFolder();
  await expect(open(folder, { diskSize: 32 * MIB })).rejects.toThrow(refusal('CONFIG_INVALID'));
  expect((await readdir(folder)).filter((name) => name !== 'local_image.lock')).toEqual([]);
  await (await open(folder, { diskSize: 96 * MIB })).release();
  await expect(open(folder, { diskSize: 80 * MIB })).rejects.toThrow(refusal('CONFIG_INVALID'));
  const grown = await open(folder, { diskSize: 128 * MIB });
  await grown.release();
  expect((await readQcow2Header(grown.overlay))?.virtualSize).toBe(BigInt(128 * MIB));
  expect(await holds(grown.overlay, 0x11)).toBe(true);
  expect((await open(folder).then(async (disk) => [await disk.release(), disk]))[1]).toMatchObject({
    virtualSize: 128 * MIB,
  });
});

test('V8: a second container on the same folder is refused, by name, until the first lets go', async () => {
  const folder = await dataFolder();
  const first = await open(folder);
  const failure = await open(folder, { holder: 'container-2' }).catch((error) => error);
  expect(failure).toMatchObject({ code: 'DATA_IN_USE', exitCode: 73 });
  expect(failure.message).toContain('container-1');
  await first.release();
  await (await open(folder)).release();
});

test('V8: no stale lock outlives its holder, and its early end is told', async () => {
  const folder = await dataFolder();
  const children: number[] = [];
  const first = await openDisk(
    exec,
    (file, args, options) => {
      const child = spawn(file, args, options);
      children.push(child.pid ?? 0);
      return child;
    },
    { ...(await optionsFor(folder)) },
  );
  expect(children).toHaveLength(1);
  process.kill(children[0] ?? 0, 'SIGKILL');
  await first.lockLost;
  await (await open(folder)).release();
});

async function optionsFor(imageDir: string): Promise<OpenDiskOptions> {
  return {
    imageDir,
    base: baked,
    diskSize: undefined,
    asRoot: true,
    qemu: { uid: 107, gid: 107 },
    reference: undefined,
    holder: 'x',
    mountinfo: '',
    log: quiet,
  };
}

test.for(['checked', 'sidecar', 'overlay made', 'put aside', 'overlay named', 'overlay'])(
  'killed after "%s": the next start works',
  async (step) => {
    const folder = await dataFolder();
    const killed = await killedAfter(step, folder, {});
    expect(killed).toBe(true);
    const next = await open(folder);
    expect(await holds(next.overlay, 0x11)).toBe(true);
    expect((await readdir(folder)).sort()).toEqual(['local_image.json', 'local_image.lock', 'local_image.qcow2']);
    await next.release();
    const uuid = next.uuid;
    for (const later of ['checked', 'sidecar', 'overlay']) {
      expect(await killedAfter(later, folder, { diskSize: 128 * MIB })).toBe(true);
    }
    const last = await open(folder, { diskSize: 128 * MIB });
    expect([last.uuid, last.virtualSize]).toEqual([uuid, 128 * MIB]);
    expect(await holds(last.overlay, 0x11)).toBe(true);
    await last.release();
  },
);

/** Stops for ever after a step and takes the lock away, which is what SIGKILL leaves: no cleanup of ours runs. */
async function killedAfter(step: string, folder: string, options: Partial<OpenDiskOptions>): Promise<boolean> {
  let lock = 0;
  const reached = new Promise<boolean>((resolve) => {
    const onStep = (name: string) => {
      if (name !== step) return undefined;
      resolve(true);
      return new Promise<void>(() => undefined);
    };
    const watching: typeof spawn = (file, args, spawnOptions) => {
      const child = spawn(file, args, spawnOptions);
      lock = child.pid ?? 0;
      lockEnded = child.exited;
      return child;
    };
    optionsFor(folder).then((all) => openDisk(exec, watching, { ...all, ...options, onStep }));
  });
  let lockEnded: Promise<unknown> = Promise.resolve();
  const result = await reached;
  process.kill(lock, 'SIGKILL');
  await lockEnded;
  return result;
}

test('as root: files belong to the folder’s owner and QEMU’s group; a closed folder is opened to that group', async () => {
  const folder = await dataFolder();
  await exec('chown', ['1234:1234', folder]);
  await chmod(folder, 0o700);
  const lines: string[] = [];
  const disk = await open(folder, { log: { ...quiet, info: (line) => lines.push(line) } });
  await disk.release();
  for (const name of ['local_image.qcow2', 'local_image.json', 'local_image.lock']) {
    const { uid, gid, mode } = await stat(join(folder, name));
    expect([name, uid, gid, mode & 0o7777]).toEqual([name, 1234, 107, 0o660]);
  }
  const { gid, mode } = await stat(folder);
  expect([gid, mode & 0o7777]).toEqual([107, 0o710]);
  expect(lines).toEqual([expect.stringContaining('was closed to QEMU')]);
});

test('a parent that QEMU cannot pass is an error before the guest starts', async () => {
  const folder = await dataFolder();
  await chmod(join(folder, '..'), 0o700);
  await expect(open(folder)).rejects.toThrow(refusal('DATA_UNWRITABLE'));
});

test('as another user: the files are this user’s own; a folder that is not theirs names owner, mode and remedy', async () => {
  const folder = await dataFolder();
  const disk = await open(folder, { asRoot: false });
  await disk.release();
  expect((await stat(disk.overlay)).mode & 0o7777).toBe(0o600);
  await expect(open(join(bases, 'disk.qcow2', 'x'))).rejects.toThrow(refusal('DATA_UNWRITABLE'));
  await expect(open('/proc/self/x')).rejects.toThrow(refusal('DATA_UNWRITABLE'));
});

test('a missing folder is made', async () => {
  const folder = join(await dataFolder(), 'a', 'b');
  await (await open(folder)).release();
  expect(await readdir(folder)).toContain('local_image.qcow2');
});

test('links and foreign headers are refused unread', async () => {
  const folder = await dataFolder();
  const disk = await open(folder);
  await disk.release();
  await exec('qemu-img', ['rebase', '-u', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/hostname', disk.overlay]);
  await expect(open(folder)).rejects.toThrow(/"\/etc\/hostname"/);
  await rm(disk.overlay);
  await symlink('/etc/hostname', disk.overlay);
  await expect(open(folder)).rejects.toThrow(/not a regular file/);
  await rm(disk.overlay);
  await writeFile(disk.overlay, 'x');
  await expect(open(folder)).rejects.toThrow(/not a qcow2 disk/);
});

test('a link in the place of the state is refused', async () => {
  const folder = await dataFolder();
  await symlink('/etc', dataPaths(folder).tpm);
  await expect(open(folder)).rejects.toThrow(/local_tpm: not a folder/);
});

test('an overlay deleted by its owner is made anew, with a new identity', async () => {
  const folder = await dataFolder();
  const first = await open(folder);
  await first.release();
  await rm(first.overlay);
  const second = await open(folder);
  await second.release();
  expect(second.created).toBe(true);
  expect(second.volumeId).not.toBe(first.volumeId);
});

test("the seeds' data folder: an overlay without a sidecar over a mounted /image is taken with a warning, then bound", async () => {
  const folder = await dataFolder();
  const image = join(await openFolder('image'), 'image');
  await copyFile(baked.path, image);
  const overlay = join(folder, 'local_image.qcow2');
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', '-u', '-b', '/image', '-F', 'qcow2', overlay, '64M']);
  const first = await open(folder, { base: { kind: 'mounted', path: image }, diskSize: 80 * MIB });
  expect(first).toMatchObject({ created: false, backing: [{ path: image, format: 'qcow2' }] });
  expect(first.warnings).toHaveLength(1);
  await first.release();
  const second = await open(folder, { base: { kind: 'mounted', path: image } });
  expect(second.warnings).toEqual([]);
  await second.release();
  await copyFile((await makeBase('third.qcow2', 0x33)).path, image);
  await expect(open(folder, { base: { kind: 'mounted', path: image } })).rejects.toThrow(refusal('BASE_MISMATCH'));
});

test.for(['qcow2', 'raw', 'vmdk', 'vdi', 'vhdx'])('a mounted %s is taken for what it is', async (format) => {
  const image = join(await openFolder('formats'), 'image');
  const raw = `${image}.raw`;
  await writeFile(raw, Buffer.alloc(MIB, 0x44));
  await truncate(raw, 64 * MIB);
  await exec('qemu-io', ['-f', 'raw', '-c', 'write -P 0x55 510 1', '-c', 'write -P 0xaa 511 1', raw]);
  await exec('qemu-img', ['convert', '-f', 'raw', '-O', format, raw, image]);
  const disk = await open(await dataFolder(), { base: { kind: 'mounted', path: image }, diskSize: 80 * MIB });
  expect(disk).toMatchObject({ backing: [{ path: image, format }], base: { virtualSize: 64 * MIB } });
  const { stdout } = await exec('qemu-img', ['compare', '-f', 'qcow2', '-F', 'raw', disk.overlay, raw]);
  expect(stdout).toContain('Images are identical');
  await disk.release();
});

test('a mounted image is hashed at its first start, then known by inode, size and times, and hashed again when asked', async () => {
  const folder = await dataFolder();
  const image = join(await openFolder('image'), 'image');
  await copyFile(baked.path, image);
  const base = { kind: 'mounted', path: image } as const;
  const first = await open(folder, { base });
  expect(first.base?.sha256).toBe(baked.sha256);
  await first.release();
  const sidecarPath = join(folder, 'local_image.json');
  const text = await readFile(sidecarPath, 'utf8');
  const lie = `sha256:${'0'.repeat(64)}` as const;
  await writeFile(sidecarPath, text.replace(baked.sha256, lie));
  await bindOverlay(first.overlay, [{ sha256: lie }]);
  const second = await open(folder, { base });
  expect(second.base?.sha256).toBe(lie);
  await second.release();
  await expect(open(folder, { base: { ...base, verify: true } })).rejects.toThrow(refusal('BASE_MISMATCH'));
  await utimes(image, new Date(), new Date(0));
  await expect(open(folder, { base })).rejects.toThrow(refusal('BASE_MISMATCH'));
});

test('a mounted image that names another file, or that QEMU may not read, is refused', async () => {
  const image = join(await openFolder('image'), 'image');
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', baked.path, image]);
  await expect(open(await dataFolder(), { base: { kind: 'mounted', path: image } })).rejects.toThrow(/it needs "/);
  await rm(image);
  await copyFile(baked.path, image);
  await chmod(image, 0o600);
  await expect(open(await dataFolder(), { base: { kind: 'mounted', path: image } })).rejects.toThrow(/may not read it/);
});

test('where the generic image looks for its disk', async () => {
  const at = join(await openFolder('generic'), 'image');
  expect(await findMountedImage(at)).toBeUndefined();
  await mkdir(at);
  await expect(findMountedImage(at)).rejects.toThrow(/the host's file was missing/);
  await writeFile(join(at, 'image.qcow2'), '');
  expect(await findMountedImage(at)).toBe(join(at, 'image.qcow2'));
  await writeFile(join(at, 'other'), '');
  await expect(findMountedImage(at)).rejects.toThrow(/2 entries/);
  await writeFile(join(at, 'image'), '');
  expect(await findMountedImage(at)).toBe(join(at, 'image'));
  expect(await findMountedImage(join(at, 'other'))).toBe(join(at, 'other'));
});

test('an overlay that stands alone runs without any base', async () => {
  const folder = await dataFolder();
  await copyFile(baked.path, join(folder, 'local_image.qcow2'));
  await chmod(join(folder, 'local_image.qcow2'), 0o644);
  const disk = await open(folder, { base: undefined, diskSize: 128 * MIB });
  expect(disk).toMatchObject({ backing: [], base: undefined, virtualSize: 128 * MIB });
  expect(await holds(disk.overlay, 0x11)).toBe(true);
  await disk.release();
});
