import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { digestFile } from '@virtainers/core';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { resolvePackages } from '../../packages/builder/src/root/apt.ts';
import { bootstrap } from '../../packages/builder/src/root/bootstrap.ts';
import { rewriteTar } from '../../packages/builder/src/root/canonical-tar.ts';
import { fetchDebs } from '../../packages/builder/src/root/debs.ts';
import { formatLock, type PackageSelection, parseLock } from '../../packages/builder/src/root/lock.ts';
import { lockedPackages } from '../../packages/builder/src/root/locked-packages.ts';
import { requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext } from './oci-samples.ts';

const SELECTION: PackageSelection = {
  name: 'small',
  mirror: 'http://deb.debian.org',
  suite: 'trixie',
  arch: 'amd64',
  packages: ['base-files', 'tini'],
  without: ['mawk'],
  bootable: false,
};

let folder: string;
let ctx: BuildContext;

beforeAll(async () => {
  await requireTool('mmdebstrap', 'apt-get', 'dpkg-deb');
  folder = await tempFolder('roots');
  ctx = await makeContext(folder);
});

test('without a lock the versions are resolved, recorded and taken again', async () => {
  const lines: string[] = [];
  const log = { ...ctx.log, info: (line: string) => lines.push(line) };
  const first = await lockedPackages({ ...ctx, log }, SELECTION);
  expect(first.packages.map((one) => one.name)).toEqual(expect.arrayContaining(['base-files', 'libc6', 'tini']));
  expect(first.packages.some((one) => one.name === 'mawk')).toBe(false);
  const recorded = join(ctx.cacheDir, 'locks', 'small.lock');
  expect(lines.join('\n')).toContain(recorded);
  const offline = { ...ctx, exec: () => Promise.reject(new Error('no program may run')) };
  expect(await lockedPackages(offline, SELECTION)).toEqual(first);
  expect(formatLock(first)).toBe(await readFile(recorded, 'utf8'));
});

test('a mirror that cannot be reached is said to be one; one that fails for a moment is asked again', async () => {
  const nowhere = { ...SELECTION, mirror: 'http://127.0.0.1:9' };
  await expect(resolvePackages(ctx, nowhere)).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringContaining('http://127.0.0.1:9 trixie'),
  });
  const failing = new Set<string>();
  const server = createServer((request, response) => {
    const url = String(request.url);
    if (failing.has(url)) return void response.writeHead(302, { location: `${SELECTION.mirror}${url}` }).end();
    failing.add(url);
    request.socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const lock = await resolvePackages(ctx, { ...SELECTION, mirror });
  expect(lock.packages).toEqual((await resolvePackages(ctx, SELECTION)).packages);
  expect(failing).toContain('/debian/dists/trixie/InRelease');
  const elsewhere = { ...ctx, cacheDir: await tempFolder('blobs') };
  expect(await fetchDebs(elsewhere, lock, mirror, 'small')).toHaveLength(lock.packages.length);
});

test('a given lock counts; one for other packages, and one that the mirror has outlived, are refused', async () => {
  const lockDir = await tempFolder('locks');
  const lock = await lockedPackages(ctx, SELECTION, { lockDir });
  const path = join(lockDir, 'small.lock');
  await writeFile(path, formatLock(lock));
  expect(await lockedPackages(ctx, SELECTION, { lockDir })).toEqual(lock);
  const other = { ...SELECTION, packages: ['dash'] };
  await expect(lockedPackages(ctx, other, { lockDir })).rejects.toMatchObject({ code: 'LOCK_STALE' });
  const old = formatLock(lock).replaceAll(/^tini \S+ (\S+) [0-9a-f]{64} \d+ .*$/gm, (_, arch: string) =>
    ['tini', '0.0.1-1', arch, 'ab'.repeat(32), '5', 'debian/pool/main/t/tini/tini_0.0.1-1_amd64.deb'].join(' '),
  );
  const stale = fetchDebs(ctx, parseLock(old, path), SELECTION.mirror, 'small');
  await expect(stale).rejects.toMatchObject({
    code: 'LOCK_STALE',
    message: expect.stringContaining('tini 0.0.1-1'),
    hint: expect.stringContaining('--update-lock'),
  });
});

test('a package whose bytes changed on the way is fetched again', async () => {
  const lock = await lockedPackages(ctx, SELECTION);
  const [deb] = await fetchDebs(ctx, lock, SELECTION.mirror, 'small');
  if (!deb) throw new Error('the selection is empty');
  await writeFile(deb.file, 'not what was published');
  await fetchDebs(ctx, lock, SELECTION.mirror, 'small');
  expect(await digestFile(deb.file)).toBe(`sha256:${deb.sha256}`);
});

test('the same packages give the same bytes, whatever the umask, the host name and the folder', async () => {
  const here = await rootDigest(ctx, 'one.tar');
  const exec: BuildContext['exec'] = (file, args, options) => {
    const script = 'umask 077; hostname elsewhere; exec "$@"';
    const env = { ...options?.env, HOME: '/nonexistent' };
    return ctx.exec('unshare', ['--uts', 'sh', '-c', script, 'sh', file, ...args], { ...options, env });
  };
  const elsewhere = process.getuid?.() === 0 ? { ...ctx, exec } : ctx;
  const other = await tempFolder('elsewhere it is');
  expect(await rootDigest({ ...elsewhere, env: { TMPDIR: other } }, 'two.tar')).toBe(here);
});

async function rootDigest(where: BuildContext, name: string): Promise<string> {
  const debs = await fetchDebs(ctx, await lockedPackages(ctx, SELECTION), SELECTION.mirror, 'small');
  const output = join(folder, name);
  const include = debs.map((deb) => deb.name);
  await bootstrap(where, { debs, suite: SELECTION.suite, arch: SELECTION.arch, variant: 'extract', include, output });
  const target = join(folder, `canonical-${name}`);
  const drop = (path: string) => /^(etc\/(hostname|resolv\.conf|apt)|var\/(cache|lib)\/apt)(\/|$)/.test(path);
  const rules = { drop, files: [], mtime: where.sourceDateEpoch, plain: true };
  await rewriteTar(createReadStream(output), createWriteStream(target), rules);
  await rm(output);
  return digestFile(target);
}
