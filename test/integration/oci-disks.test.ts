import { createReadStream } from 'node:fs';
import { copyFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { digestFile } from '@virtainers/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BakeOptions } from '../../packages/builder/src/bake/options.ts';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { growPackageDisk } from '../../packages/builder/src/disk/grown-disk.ts';
import { hostQemuTool } from '../../packages/builder/src/disk/qemu-tool.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';

const FORMATS = ['qcow2', 'vmdk', 'vhdx', 'vdi', 'raw'] as const;
const PACKERS = { xz: ['xz', '-1k'], gz: ['gzip', '-1k'], zst: ['zstd', '-qk'], bz2: ['bzip2', '-1k'] } as const;

let folder: string;
let ctx: BuildContext;
let runtime: string;

beforeAll(async () => {
  await requireTool('qemu-img', 'xz', 'gzip', 'zstd', 'bzip2', 'prlimit');
  folder = await tempFolder('disks');
  ctx = await makeContext(folder);
  runtime = await publishRoot(folder);
  await makeRawDisk(join(folder, 'disk.raw'));
  for (const format of FORMATS.filter((one) => one !== 'raw')) await make(format, `disk.${format}`);
  await make('vmdk', 'stream.vmdk', '-o', 'subformat=streamOptimized');
  await make('qcow2', 'v2.qcow2', '-o', 'compat=0.10');
  await make('qcow2', 'zstd.qcow2', '-c', '-o', 'compression_type=zstd,cluster_size=128k');
  await make('qcow2', 'subclusters.qcow2', '-o', 'extended_l2=on,cluster_size=64k');
});

function make(format: string, name: string, ...more: string[]) {
  return exec('qemu-img', [
    'convert',
    '-f',
    'raw',
    '-O',
    format,
    ...more,
    join(folder, 'disk.raw'),
    join(folder, name),
  ]);
}

function bakeFile(source: string, more: Partial<BakeOptions> = {}) {
  return bake(ctx, { source, definitions: [], runtime, ...more });
}

test.each(FORMATS)('%s is taken, packed by every program too, and gives the same guest disk', async (format) => {
  const plain = join(folder, `disk.${format}`);
  const digests = new Set([(await bakeFile(plain)).layers[1]?.digest]);
  for (const [ending, [program, ...flags]] of Object.entries(PACKERS)) {
    await exec(program, [...flags, plain]);
    digests.add((await bakeFile(`${plain}.${ending}`)).layers[1]?.digest);
  }
  // One layer whatever the packing: machine.json and the disk are the same.
  expect(digests.size).toBe(1);
});

test.each(['stream.vmdk', 'v2.qcow2', 'zstd.qcow2', 'subclusters.qcow2'])('%s is taken', async (name) => {
  const output = join(folder, `${name}.tar`);
  await bakeFile(join(folder, name), { output });
  await exec('tar', ['-xf', output, '-C', await emptied('layout')]);
  const disk = await extractDisk(join(folder, 'layout'));
  await exec('qemu-img', ['compare', '-f', 'qcow2', '-F', 'raw', disk, join(folder, 'disk.raw')]);
});

test('a converted disk is the same in every cache', async () => {
  const output = (name: string) => join(folder, `${name}.tar`);
  const source = join(folder, 'disk.raw');
  await bakeFile(source, { output: output('here') });
  const there = await makeContext(join(folder, 'there'));
  await bake(there, { source, definitions: [], runtime, output: output('there') });
  await exec('cmp', [output('here'), output('there')]);
});

test('a clean qcow2 keeps its bytes, and a vendor its sum', async () => {
  const source = join(folder, 'v2.qcow2');
  const sha256 = (await digestFile(source)).slice(7);
  const result = await bakeFile(source, { sha256, output: join(folder, 'kept.tar') });
  await exec('tar', ['-xf', join(folder, 'kept.tar'), '-C', await emptied('layout')]);
  expect(await digestFile(await extractDisk(join(folder, 'layout')))).toBe(`sha256:${sha256}`);
  expect(result.name).toBe('v2');
});

test('a disk grows when asked, and never shrinks', async () => {
  const size = 64 * 1024 * 1024;
  for (const name of ['disk.qcow2', 'disk.raw', 'disk.qcow2.xz']) {
    await bakeFile(join(folder, name), { size, output: join(folder, 'grown.tar') });
    await exec('tar', ['-xf', join(folder, 'grown.tar'), '-C', await emptied('layout')]);
    const disk = await extractDisk(join(folder, 'layout'));
    const { stdout } = await exec('qemu-img', ['info', '--output=json', disk]);
    expect(JSON.parse(stdout)['virtual-size']).toBe(size);
  }
  await expect(bakeFile(join(folder, 'disk.raw'), { size: 1024 })).rejects.toMatchObject({ code: 'ARGUMENTS_BAD' });
});

test('a disk made from packages grows in a copy of its own, once', async () => {
  const path = join(folder, 'disk.qcow2');
  const made = { path, sha256: await digestFile(path), size: (await stat(path)).size, virtualSize: 8 * 1024 * 1024 };
  const qemu = await hostQemuTool(ctx.exec, ctx.spawn);
  const size = 1024 ** 3;
  const grown = await growPackageDisk(ctx, made, qemu, size);
  const { stdout } = await exec('qemu-img', ['info', '--output=json', grown.path]);
  expect(JSON.parse(stdout)['virtual-size']).toBe(size);
  expect(grown).toMatchObject({ virtualSize: size, sha256: await digestFile(grown.path) });
  expect(await digestFile(path)).toBe(made.sha256);
  const offline = { ...qemu, run: () => Promise.reject(new Error('no program may run')) };
  expect(await growPackageDisk(ctx, made, offline, size)).toEqual(grown);
});

const HOSTILE: Record<string, { make: (path: string) => Promise<unknown>; says: RegExp }> = {
  'a backing file': {
    make: (path) => exec('qemu-img', ['create', '-u', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/hostname', path, '8M']),
    says: /backing file \(\/etc\/hostname\)/,
  },
  'an external data file': {
    make: (path) => exec('qemu-img', ['create', '-f', 'qcow2', '-o', `data_file=${path}.data`, path, '8M']),
    says: /external data file/,
  },
  'an encrypted disk': {
    // Not luks: on a busy machine qemu-img fails to time its key derivation ("Unable to get accurate CPU usage").
    make: (path) =>
      exec('qemu-img', [
        ...['create', '--object', 'secret,id=s,data=secret', '-f', 'qcow2'],
        ...['-o', 'encrypt.format=aes,encrypt.key-secret=s', path, '8M'],
      ]),
    says: /encrypted/,
  },
  'internal snapshots': {
    make: async (path) => {
      await copyFile(join(folder, 'disk.qcow2'), path);
      await exec('qemu-img', ['snapshot', '-c', 'one', path]);
    },
    says: /snapshots/,
  },
  'a truncated qcow2': { make: (path) => cut('disk.qcow2', path), says: /truncated/ },
  'a truncated vmdk': { make: (path) => cut('disk.vmdk', path), says: /truncated/ },
  'a truncated streamOptimized vmdk': { make: (path) => cut('stream.vmdk', path), says: /truncated/ },
  'a truncated vhdx': { make: (path) => cut('disk.vhdx', path), says: /truncated/ },
  'a truncated vdi': { make: (path) => cut('disk.vdi', path), says: /truncated/ },
  'a corrupt qcow2': {
    make: async (path) => {
      const bytes = await readFile(join(folder, 'disk.qcow2'));
      const table = Number(bytes.readBigUInt64BE(48));
      bytes.writeBigUInt64BE(0n, table);
      await writeFile(path, bytes);
    },
    says: /corrupt/,
  },
  'a virtual size of 2 PiB': {
    make: (path) => exec('qemu-img', ['create', '-f', 'qcow2', '-o', 'cluster_size=2M', path, '2P']),
    says: /2 PiB, over the limit of 1 TiB/,
  },
  'a vmdk of several files': {
    make: (path) =>
      exec('qemu-img', [
        'convert',
        '-f',
        'raw',
        '-O',
        'vmdk',
        '-o',
        'subformat=monolithicFlat',
        join(folder, 'disk.raw'),
        path,
      ]),
    says: /names other files/,
  },
  'a vmdk with a parent': {
    make: async (path) => {
      const bytes = await readFile(join(folder, 'disk.vmdk'));
      const text = bytes.toString('latin1').replace('parentCID=ffffffff', 'parentCID=12345678');
      await writeFile(path, Buffer.from(text, 'latin1'));
    },
    says: /parent/,
  },
  'a vmdk that claims no capacity': {
    make: async (path) => {
      const bytes = await readFile(join(folder, 'disk.vmdk'));
      bytes.fill(0, 12, 20);
      await writeFile(path, bytes);
    },
    says: /capacity is 0/,
  },
  'a vdi with a parent': {
    make: async (path) => {
      const bytes = await readFile(join(folder, 'disk.vdi'));
      bytes.fill(7, 0x1b8, 0x1c8);
      await writeFile(path, bytes);
    },
    says: /parent/,
  },
  'a VHD': {
    make: (path) => exec('qemu-img', ['convert', '-f', 'raw', '-O', 'vpc', join(folder, 'disk.raw'), path]),
    says: /VHD/,
  },
  'a web page': { make: (path) => writeFile(path, '<!DOCTYPE html><html><body>404</body></html>'), says: /HTML page/ },
  'an empty file': { make: (path) => writeFile(path, ''), says: /not known/ },
  'text files': { make: (path) => writeFile(path, 'root:x:0:0\n'.repeat(2000)), says: /not known/ },
  'a bomb of zeros': {
    make: async (path) => {
      await exec('truncate', ['-s', '1G', `${path}.raw`]);
      await exec('zstd', ['-q', '--rm', `${path}.raw`, '-o', path]);
    },
    says: /not known/,
  },
  'a half xz': {
    make: async (path) => {
      const bytes = await readFile(join(folder, 'disk.qcow2.xz'));
      await writeFile(path, bytes.subarray(0, bytes.length / 2));
    },
    says: /truncated or damaged/,
  },
  'a half gz': {
    make: async (path) => {
      const bytes = await readFile(join(folder, 'disk.qcow2.gz'));
      await writeFile(path, bytes.subarray(0, bytes.length / 2));
    },
    says: /truncated or damaged/,
  },
};

test.each(Object.entries(HOSTILE))(
  '%s is refused within seconds',
  { timeout: 30_000 },
  async (name, { make: create, says }) => {
    const path = join(folder, name.replaceAll(' ', '-'));
    await create(path);
    const output = join(folder, 'hostile.tar');
    const error = await bakeFile(path, { output }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'DISK_REFUSED', message: expect.stringMatching(says) });
    expect((await readdir(folder)).filter((file) => file.startsWith('hostile.tar'))).toEqual([]);
    expect((await readdir(join(ctx.cacheDir, 'disks'))).filter((file) => file.includes('.'))).toEqual([]);
  },
);

test('a disk larger than the limit is taken when the limit is raised', async () => {
  const path = join(folder, 'large.qcow2');
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', path, '2T']);
  await expect(bakeFile(path)).rejects.toMatchObject({ code: 'DISK_REFUSED' });
  await bakeFile(path, { maxVirtualSize: 3 * 1024 ** 4 });
  await expect(bakeFile(path)).rejects.toMatchObject({ code: 'DISK_REFUSED' });
});

async function cut(name: string, path: string): Promise<void> {
  const bytes = await readFile(join(folder, name));
  await writeFile(path, bytes.subarray(0, Math.floor(bytes.length * 0.7)));
}

async function emptied(name: string): Promise<string> {
  const path = join(folder, name);
  await rm(path, { recursive: true, force: true });
  await exec('mkdir', [path]);
  return path;
}

async function extractDisk(layout: string): Promise<string> {
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'));
  const blob = (digest: string) => join(layout, 'blobs', digest.replace(':', '/'));
  const manifest = JSON.parse(await readFile(blob(index.manifests[0].digest), 'utf8'));
  await exec('tar', ['-xf', blob(manifest.layers[1].digest), '-C', layout]);
  return join(layout, 'disk', 'disk.qcow2');
}

let server: Server;
let address: string;
const seen: (string | undefined)[] = [];
let breakAfter = 0;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    seen.push(request.headers.range);
    if (request.url === '/login') return response.setHeader('content-type', 'text/html').end('<html>sign in</html>');
    if (request.url === '/gone') return response.writeHead(404).end();
    const path = join(folder, 'disk.qcow2.xz');
    const { size } = await stat(path);
    const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, {
      etag: '"one"',
      'content-length': size - start,
      ...(start > 0 ? { 'content-range': `bytes ${start}-${size - 1}/${size}` } : {}),
    });
    const broken = breakAfter > 0;
    const end = broken ? Math.min(size, start + breakAfter) - 1 : size - 1;
    breakAfter = 0;
    for await (const piece of createReadStream(path, { start, end })) response.write(piece);
    return broken ? response.socket?.end() : response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test('a URL is fetched once, goes on where the connection broke, and is checked', async () => {
  const sha256 = (await digestFile(join(folder, 'disk.qcow2.xz'))).slice(7);
  const source = `${address}/debian-13-genericcloud-amd64.qcow2.xz`;
  ctx = await makeContext(join(folder, 'fresh'));
  breakAfter = 1_500_000;
  const first = await bakeFile(source, { sha256 });
  expect(seen).toEqual([expect.stringMatching(/^bytes=0-/), expect.stringMatching(/^bytes=[1-9]\d+-/)]);
  expect(first.name).toBe('debian-13-genericcloud-amd64');
  const second = await bakeFile(source, { sha256 });
  expect(second).toMatchObject({ digest: first.digest, cached: true });
  expect(seen.length).toBe(2);
  const { stdout } = await exec('sha512sum', [join(folder, 'disk.qcow2.xz')]);
  const third = await bakeFile(source, { sha512: stdout.slice(0, 128) });
  expect(third.digest).toBe(first.digest);
});

test('a URL without a sum, with a wrong one, with a page behind it, with nothing behind it', async () => {
  const source = `${address}/x.qcow2.xz`;
  await expect(bakeFile(source)).rejects.toMatchObject({ code: 'ARGUMENTS_BAD' });
  const sha256 = '0'.repeat(64);
  const right = await digestFile(join(folder, 'disk.qcow2.xz'));
  await expect(bakeFile(source, { sha256 })).rejects.toMatchObject({
    code: 'DIGEST_MISMATCH',
    message: `fetching ${source}: expected sha256:${sha256}, got ${right}`,
  });
  expect(await readdir(join(ctx.cacheDir, 'downloads'))).toEqual([]);
  await expect(bakeFile(`${address}/login`, { sha256 })).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringContaining('HTML page'),
  });
  await expect(bakeFile(`${address}/gone`, { sha256 })).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringContaining('404'),
  });
  await bakeFile(source, { allowUnverified: true });
});
