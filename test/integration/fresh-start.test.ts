import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DataPaths, dataPaths, digestFile, type Log } from '@virtainers/core';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { keepTpm, keepVariables } from '../../packages/runtime/src/disk/machine-state.ts';
import { type OpenDiskOptions, openDisk } from '../../packages/runtime/src/disk/open-disk.ts';
import { exec, requireTool, spawn } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const users = { asRoot: true, qemu: { uid: 107, gid: 107 } };
const STEPS = ['sidecar', 'overlay made', 'put aside', 'overlay named', 'overlay'];
let bases: string;
let data: string;
let paths: DataPaths;
let lines: string[];
const log: Log = { info: () => undefined, warn: (line) => lines.push(line), debug: () => undefined };

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'flock', 'setpriv', 'mount', 'umount');
  bases = await openFolder('bases');
  for (const name of ['a', 'b']) {
    await exec('qemu-img', ['create', '-q', '-f', 'qcow2', join(bases, name), '64M']);
    await exec('qemu-io', ['-f', 'qcow2', '-c', `write -P ${name.charCodeAt(0)} 0 1M`, join(bases, name)]);
  }
  await writeFile(join(bases, 'variables.fd'), 'as the firmware has them');
});

beforeEach(async () => {
  lines = [];
  data = join(await openFolder('data'), 'mounted');
  await mkdir(data);
  paths = dataPaths(data);
});

async function openFolder(label: string): Promise<string> {
  const folder = await tempFolder(label);
  await chmod(folder, 0o755);
  return folder;
}

/** On the disk of image `a` or `b`, which lies at one path in both. */
async function open(image: string, options: Partial<OpenDiskOptions> = {}) {
  const facts = await stat(join(bases, image));
  const path = join(bases, 'disk.qcow2');
  await exec('cp', [join(bases, image), path]);
  const base = { kind: 'baked', path, sha256: await digestFile(path), size: facts.size } as const;
  return openDisk(exec, spawn, {
    ...{ imageDir: data, base: { ...base, virtualSize: 64 * 1024 ** 2 }, diskSize: undefined, reference: undefined },
    ...{ ...users, holder: 'box', mountinfo: '', log },
    ...options,
  });
}

/** A machine on `a` whose TPM has a key sealed in it. Gives back its UUID. */
async function machineWithState(): Promise<string> {
  const machine = await open('a');
  for (const secure of [false, true]) await keepVariables(exec, paths, secure, join(bases, 'variables.fd'), users);
  await keepTpm(paths, users);
  await writeFile(paths.variables, 'as the guest has them');
  await writeFile(join(paths.tpm, 'tpm2-00.permall'), 'sealed');
  await machine.release();
  return machine.uuid;
}

const others = async () =>
  (await readdir(data)).filter((name) => !/^local_image\.(qcow2|json|lock)$/.test(name)).sort();
const asideOf = async (part: string) => join(data, (await others()).find((name) => name.startsWith(part)) as string);

test("a machine's own state stays with its overlay, and is kept and named when that is taken away", async () => {
  const uuid = await machineWithState();
  await (await open('a')).release();
  await keepVariables(exec, paths, false, join(bases, 'variables.fd'), users);
  expect(await readFile(paths.variables, 'utf8')).toBe('as the guest has them');
  expect((await stat(paths.secureVariables)).mode & 0o777).toBe(0o660);
  expect((await stat(paths.tpm)).mode & 0o777).toBe(0o770);

  const refused = await open('b').catch((error) => error);
  expect(refused.hint).toContain('local_image.qcow2 away to start afresh');
  for (const path of [paths.tpm, paths.variables, paths.secureVariables, paths.sidecar])
    expect(refused.hint).toContain(path.slice(data.length + 1));
  await rename(paths.overlay, `${data}.old`);
  const next = await open('b');
  await next.release();
  expect(next.uuid).not.toBe(uuid);
  expect(await others()).toEqual([
    expect.stringMatching(/^local_image\.aside-\d{8}T\d{6}Z\.json$/),
    expect.stringMatching(/^local_secure_variables\.aside-\d{8}T\d{6}Z\.fd$/),
    expect.stringMatching(/^local_tpm\.aside-\d{8}T\d{6}Z$/),
    expect.stringMatching(/^local_variables\.aside-\d{8}T\d{6}Z\.fd$/),
  ]);
  for (const name of await others()) expect(lines.join('\n')).toContain(name);

  // The way back that docs/firmware.md tells.
  await rename(`${data}.old`, paths.overlay);
  await rm(paths.sidecar);
  await rename(await asideOf('local_image'), paths.sidecar);
  await rename(await asideOf('local_tpm'), paths.tpm);
  const back = await open('a');
  await back.release();
  expect(back.uuid).toBe(uuid);
  expect(await readFile(join(paths.tpm, 'tpm2-00.permall'), 'utf8')).toBe('sealed');
});

test('a start without room for the new overlay leaves all that the old one left where it is', async () => {
  await exec('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', data]);
  try {
    await machineWithState();
    await rm(paths.overlay);
    const before = (await readdir(data)).sort();
    const free = Number((await exec('df', ['--output=avail', '-k', data])).stdout.split('\n')[1]);
    for (const left of [0, 4, 8]) {
      await exec('fallocate', ['--length', `${free - left}KiB`, join(data, 'filler')]);
      await expect(open('b')).rejects.toMatchObject({ code: 'DISK_FULL' });
      await rm(join(data, 'filler'));
      expect((await readdir(data)).filter((name) => !name.endsWith('.new')).sort()).toEqual(before);
    }
  } finally {
    await exec('umount', [data]);
  }
});

test.for(STEPS)('killed after "%s", no overlay ever has what another one left, and nothing is lost', async (step) => {
  const uuid = await machineWithState();
  await rename(paths.overlay, `${data}.old`);
  const killed = (name: string) => (name === step ? Promise.reject(new Error('killed')) : Promise.resolve());
  await expect(open('b', { onStep: killed })).rejects.toThrow('killed');
  const named = (await readdir(data)).includes('local_image.qcow2');
  if (named) expect(await readdir(data)).not.toContain('local_tpm');
  const next = await open('b');
  await next.release();
  expect([next.created, next.uuid === uuid]).toEqual([!named, false]);
  expect((await others()).filter((name) => !name.includes('.aside-'))).toEqual([]);
  expect(await readFile(join(await asideOf('local_tpm'), 'tpm2-00.permall'), 'utf8')).toBe('sealed');
  expect(JSON.parse(await readFile(await asideOf('local_image'), 'utf8')).uuid).toBe(uuid);
});
