import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { fastGuest } from '../helpers/fast-guest.ts';
import { largestPartition } from '../helpers/filesystem.ts';
import { cacheHome as shared } from '../helpers/folders.ts';
import { exec, requireTool, spawn, waitFor } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { COMMAND } from '../helpers/virtainer.ts';

let folder: string;
let disk: string;
let disks: string;
let options: { cwd: string; env: Record<string, string>; allowFailure: true };

beforeAll(async () => {
  await requireTool('qemu-img', 'mmdebstrap', 'debugfs', 'sfdisk', 'unshare', 'setpriv', 'mount', 'findmnt');
  folder = await tempFolder('customize');
  disk = await fastGuest();
  const cache = await ownCache();
  disks = join(cache, 'virtainers/disks');
  options = { cwd: '/', env: { XDG_CACHE_HOME: cache }, allowFailure: true };
  // No earlier run has made this one.
  await writeFile(join(folder, 'stamp'), randomUUID());
});

/** What a fast guest keeps is below /data; the rest of it is made at each boot. */
function bake(...args: string[]): string[] {
  return bakeOf(disk, '--user', 'root', '--osinfo', 'debian12', ...args);
}

function bakeOf(...args: string[]): string[] {
  return [COMMAND, 'bake', ...args, '--output', join(folder, 'image.tar')];
}

/** Disks of its own, so that what lies there is not another test's bake; all else is made only once. */
async function ownCache(): Promise<string> {
  const home = join(folder, 'cache');
  await mkdir(join(home, 'virtainers'), { recursive: true });
  for (const name of ['blobs', 'features', 'locks', 'roots', 'tools']) {
    const target = join(shared, 'virtainers', name);
    await mkdir(target, { recursive: true });
    await symlink(target, join(home, 'virtainers', name));
  }
  return home;
}

async function script(name: string, ...lines: string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, ['#!/bin/sh', ...lines, ''].join('\n'));
  return path;
}

/** Asks debugfs about the image's largest file system. */
async function inDisk(): Promise<(command: string) => Promise<string>> {
  const raw = await rawDisk();
  const where = `${raw}?offset=${(await largestPartition(raw)).offset}`;
  return async (command) => (await exec('debugfs', ['-R', command, where])).stdout;
}

async function rawDisk(): Promise<string> {
  const unpack = (archive: string, name: string) =>
    exec('tar', ['--extract', '--file', join(folder, archive), '--directory', folder, name]);
  await unpack('image.tar', 'manifest.json');
  const [{ Layers }] = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));
  await unpack('image.tar', Layers[1]);
  await unpack(Layers[1], 'disk/disk.qcow2');
  const raw = join(folder, 'disk.raw');
  await exec('qemu-img', ['convert', '-O', 'raw', join(folder, 'disk/disk.qcow2'), raw]);
  return raw;
}

/** Work folders of bakes, mounts and processes that name the cache. */
async function leftovers(): Promise<string[]> {
  const folders = (await readdir(disks)).filter((name) => name.includes('.bake-'));
  const { stdout } = await exec('findmnt', ['-rno', 'TARGET']);
  const mounts = stdout.split('\n').filter((target) => [folder, shared].some((home) => target.startsWith(home)));
  const { stdout: running } = await exec('ps', ['-eo', 'args']);
  const processes = running.split('\n').filter((line) => line.includes('guest/sandbox') && line.includes(disks));
  return [...folders, ...mounts, ...processes];
}

test('files and scripts go into the disk, in order, and the second bake boots nothing', async () => {
  const stamp = join(folder, 'stamp');
  const first = await script('first.sh', 'id -un >/data/log; pwd >>/data/log; cat /data/stamp >>/data/log');
  const second = await script('second.sh', 'echo second >>/data/log; stat -c "%a %u" /data/stamp >>/data/log');
  const words = bake('--file', `${stamp}:/data/`, '--run', first, '--run', second, '--json');
  const documents = { sbom: join(folder, 'sbom.json'), provenance: join(folder, 'provenance.json') };
  words.push('--sbom', documents.sbom, '--provenance', documents.provenance);
  const made = await exec(process.execPath, words, options);
  expect(made.stderr).toBe('');
  const again = await exec(process.execPath, words, options);
  expect(JSON.parse(made.stdout)).toMatchObject({ cached: false });
  expect(JSON.parse(again.stdout)).toMatchObject({ cached: true, digest: JSON.parse(made.stdout).digest });
  const { customized } = JSON.parse(await readFile(documents.provenance, 'utf8')).predicate.buildDefinition
    .externalParameters;
  expect(customized).toMatchObject({ files: ['/data/stamp'], scripts: ['first.sh', 'second.sh'] });
  const { packages } = JSON.parse(await readFile(documents.sbom, 'utf8'));
  const inside = packages.find(({ name }: { name: string }) => name === 'disk.qcow2');
  expect(inside.comment).toContain(customized.digest);
  const ask = await inDisk();
  expect(await ask('cat /log')).toBe(`root\n/root\n${await readFile(stamp, 'utf8')}second\n644 0\n`);
  expect(await leftovers()).toEqual([]);
});

test('a script that fails: its exit code, the end of its output, nothing left behind', async () => {
  const failing = await script('failing.sh', 'echo all is well', 'echo no such thing >&2', 'exit 7');
  const { exitCode, stderr } = await exec(process.execPath, bake('--run', failing), options);
  expect(exitCode).toBe(70);
  expect(stderr).toContain('run failing.sh: exit code 7\n  all is well\n  no such thing\n');
  expect(await leftovers()).toEqual([]);
});

test('Ctrl-C in the midst of it ends all that was started; after SIGKILL the next bake removes what lies there', async () => {
  const endless = await script('endless.sh', 'echo waiting; sleep 1000000');
  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    const child = spawn(process.execPath, bake('--run', endless, '--debug'), { ...options, stdout: 'ignore' });
    let said = '';
    await new Promise<void>((resolve) => {
      child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk;
        if (said.includes('guest: waiting')) resolve();
      });
      void child.exited.then(() => resolve());
    });
    expect(said).toContain('guest: waiting');
    child.kill(signal);
    const { exitCode } = await child.exited;
    if (signal === 'SIGINT') expect(exitCode).toBe(130);
    if (signal === 'SIGINT') expect(await leftovers()).toEqual([]);
  }
  const gone = async () => ((await leftovers()).every((one) => one.includes('.bake-')) ? true : undefined);
  await waitFor('the end of the guest of a killed bake', gone, 20_000);
  await exec(process.execPath, bake('--max-virtual-size', '1T'), options);
  expect(await leftovers()).toEqual([]);
});
