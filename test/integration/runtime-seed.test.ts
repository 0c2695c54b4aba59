import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile } from '@virtainers/core';
import { beforeAll, expect, test } from 'vitest';
import { fileReaders, INPUT_PATHS, type InputPaths, readInputs } from '../../packages/runtime/src/cloud-init/inputs.ts';
import { planSeed, type SeedInput } from '../../packages/runtime/src/cloud-init/seed.ts';
import { seedPath, writeSeed } from '../../packages/runtime/src/cloud-init/write-seed.ts';
import { repository } from '../helpers/folders.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

beforeAll(() => requireTool('xorriso', 'blkid'));

const GZIP = Uint8Array.of(0x1f, 0x8b, 8, 0, 0xff, 0xfe, 10, 13, 10, 0);

async function plan(input: Partial<SeedInput> = {}) {
  const template = (name: string) => readFile(join(repository, `templates/cloud-init/${name}.hbs`), 'utf8');
  const seed = planSeed({
    publicKeys: undefined,
    userData: GZIP,
    metaData: undefined,
    networkConfig: 'version: 2\n',
    isoPath: undefined,
    password: undefined,
    rememberedPassword: undefined,
    hostname: 'vm',
    volumeId: '4b1c6f0e-54a0-4a6b-8c1c-4b0f0f3f3c11',
    readyPort: 'io.virtainers.ready.0',
    network: undefined,
    mounts: [],
    random: () => 'random',
    templates: {
      userData: await template('user-data'),
      metaData: await template('meta-data'),
      vendorData: await template('vendor-data'),
      networkConfig: await template('network-config'),
    },
    ...input,
  });
  if (seed.kind !== 'files') throw new Error('an ISO');
  return seed;
}

test('the seed is an ISO labelled cidata that holds every byte', async () => {
  const folder = await tempFolder('seed');
  const path = join(folder, 'cloud_init.iso');
  const seed = await plan();
  await writeSeed(exec, seed, path, undefined);
  const { stdout } = await exec('blkid', ['-p', '-o', 'export', path]);
  expect(stdout).toMatch(/^LABEL=cidata$/m);
  expect(stdout).toMatch(/^TYPE=iso9660$/m);
  const out = join(folder, 'out');
  await mkdir(out);
  await exec('xorriso', ['-osirrox', 'on', '-indev', path, '-extract', '/', out]);
  expect((await readdir(out)).sort()).toEqual(['meta-data', 'network-config', 'user-data', 'vendor-data']);
  for (const { name, content } of seed.files) {
    expect(Buffer.from(content).equals(await readFile(join(out, name)))).toBe(true);
  }
  expect((await readdir(folder)).sort()).toEqual(['cloud_init.iso', 'out']);
});

test('the same plan gives the same bytes', async () => {
  const folder = await tempFolder('seed');
  const paths = [join(folder, 'a.iso'), join(folder, 'b.iso')];
  for (const path of paths) await writeSeed(exec, await plan(), path, undefined);
  const [a, b] = await Promise.all(paths.map(digestFile));
  expect(a).toBe(b);
});

test('V11: CLOUD_INIT_DISK is where the seed is written, its folder made; only its owner may read it', async () => {
  const given = join(await tempFolder('seed'), 'deeper', 'seed.iso');
  const path = await seedPath(given, async () => true);
  expect(path).toBe(given);
  await writeSeed(exec, await plan(), path, { uid: 107, gid: 107 });
  await writeSeed(exec, await plan({ password: 'p' }), path, { uid: 107, gid: 107 });
  const { mode, uid, gid } = await stat(path);
  expect([mode & 0o7777, uid, gid]).toEqual([0o600, 107, 107]);
});

test('without CLOUD_INIT_DISK the first of /, /run and /tmp that can be written', async () => {
  const writable =
    (...folders: string[]) =>
    (folder: string) =>
      Promise.resolve(folders.includes(folder));
  expect(await seedPath(undefined, writable('/', '/tmp'))).toBe('/cloud_init.iso');
  expect(await seedPath(undefined, writable('/run', '/tmp'))).toBe('/run/cloud_init.iso');
  expect(await seedPath(undefined, writable('/tmp'))).toBe('/tmp/cloud_init.iso');
  await expect(seedPath(undefined, writable())).rejects.toThrow(/none of/);
});

test('a place that cannot be written is named', async () => {
  const folder = await tempFolder('seed');
  await mkdir(join(folder, 'seed.iso'));
  await chmod(folder, 0o755);
  await expect(writeSeed(exec, await plan(), join(folder, 'seed.iso'), undefined)).rejects.toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
  expect(await readdir(folder)).toEqual(['seed.iso']);
  await expect(writeSeed(exec, await plan(), '/proc/x/seed.iso', undefined)).rejects.toThrow(
    /CLOUD_INIT_DISK|\/proc\/x/,
  );
});

test('V10: meta-data mounted without user-data is used, and only read', async () => {
  const folder = await tempFolder('seed');
  const paths = Object.fromEntries(Object.keys(INPUT_PATHS).map((name) => [name, join(folder, name)])) as InputPaths;
  await writeFile(paths.metaData, 'local-hostname: box\n', { mode: 0o444 });
  const before = await stat(paths.metaData, { bigint: true });
  const seed = await plan(await readInputs(paths, fileReaders));
  await writeSeed(exec, seed, join(folder, 'seed.iso'), undefined);
  const { mtimeNs, ctimeNs, ino } = await stat(paths.metaData, { bigint: true });
  expect([mtimeNs, ctimeNs, ino]).toEqual([before.mtimeNs, before.ctimeNs, before.ino]);
  const metaData = seed.files.find(({ name }) => name === 'meta-data');
  expect(Buffer.from(metaData?.content ?? []).toString()).toMatch(/^local-hostname: box\ninstance-id: /);
});
