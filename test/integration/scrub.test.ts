import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainLink, chainName, dataPaths, digestFile, makeLog } from '@virtainers/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { kindAt } from '../../packages/builder/src/diff/signatures.ts';
import { takeDisks } from '../../packages/builder/src/publish/image-disks.ts';
import { openOrigin } from '../../packages/builder/src/publish/open-origin.ts';
import { writeBack } from '../../packages/builder/src/scrub/write-back.ts';
import { type PublishWords, publishDisk } from '../../packages/host/src/publish/publish.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, publishRoot } from './oci-samples.ts';
import { hostContext, makeData, noise, shown, toFiles } from './publish-samples.ts';
import { ask, debugfs, KEPT, live, makeBaseDisk, PARTS } from './scrub-samples.ts';

const MIB = 1024 ** 2;
let folder: string;
let ctx: BuildContext;
let registry: Registry;
/** The base's disk: as raw, as it is in the image, and as a link of chains. */
let base: { raw: string; disk: string; chain: readonly ChainLink[]; reference: string };
let data: string;
const warnings: string[] = [];
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'sfdisk', 'mke2fs', 'debugfs', 'mkswap', 'skopeo', 'flock');
  folder = await tempFolder('scrub');
  ctx = { ...(await makeContext(folder)), log: makeLog((line) => warnings.push(line)) };
  registry = await startRegistry();
  const raw = at('base.raw');
  await makeBaseDisk(raw, at('base-files'));
  const reference = `${registry.address}/team/base:1`;
  const words = { definitions: [], runtime: await publishRoot(folder), insecure: true };
  await bake(ctx, { source: raw, push: reference, output: at('base.tar'), ...words });
  const { chain, files } = await takeDisks(ctx, await openOrigin(ctx, at('base.tar')), at('base-disks'));
  base = { raw, disk: files[0] ?? '', chain, reference };
  await live(raw, at('lived.raw'), at('life'));
  data = await dataOf('data', at('lived.raw'));
});

afterAll(() => registry?.stop());

/** A data folder whose guest sees what is in `raw`. */
async function dataOf(name: string, raw: string): Promise<string> {
  const made = await makeData(at(name), base.chain, base.reference);
  const pieces = at(`${name}-pieces`);
  await mkdir(pieces);
  await writeBack(ctx, { before: base.raw, after: raw, disk: shown(made, [base.disk]), folder: pieces });
  return made;
}

function publish(words: Partial<PublishWords> = {}) {
  const reference = `${registry.address}/me/box:1`;
  return publishDisk(hostContext(ctx), ctx, { source: data, reference, insecure: true, ...words });
}

/** What a published image's overlay holds by itself, and what a guest of it sees: raw disks. */
async function pull(name: string, reference = `${registry.address}/me/box:1`): Promise<{ own: string; seen: string }> {
  const { files } = await takeDisks(ctx, await openOrigin(ctx, reference, { insecure: true }), at(name));
  const [below = '', ...overlays] = files;
  const top = overlays.at(-1) ?? below;
  const [own, seen] = [at(`${name}-own.raw`), at(`${name}-seen.raw`)];
  await exec('qemu-img', ['convert', '-O', 'raw', chainName({ path: top, format: 'qcow2' }, []), own]);
  const chain = chainName({ path: top, format: 'qcow2' }, toFiles(overlays.length > 0 ? [below] : []));
  await exec('qemu-img', ['convert', '-O', 'raw', chain, seen]);
  return { own, seen };
}

/** The markers in a file, each once. */
async function markers(path: string): Promise<string[]> {
  const found = await exec('grep', ['-aoE', '(MARKER|SECRET|BASE)-[a-z-]+', path], { allowFailure: true });
  return [...new Set(found.stdout.split('\n'))].filter(Boolean).sort();
}

async function sent(work: () => Promise<unknown>): Promise<number> {
  const before = await registry.size();
  await work();
  return (await registry.size()) - before;
}

test('what only the machine may have is not in the layer, what its owner did is; secrets are told by their names', async () => {
  const before = await digestFile(dataPaths(data).overlay);
  warnings.length = 0;
  const { scrubbed, secrets, digest } = await publish();
  expect(await digestFile(dataPaths(data).overlay)).toBe(before);
  expect(await markers(at('lived.raw'))).toContain('MARKER-deleted-before');

  const { own, seen } = await pull('scrubbed');
  expect(await markers(own)).toEqual(['SECRET-aws', 'SECRET-env', 'SECRET-hash', 'SECRET-key', 'SECRET-tls']);
  for (const part of ['root', 'var'] as const) await exec('e2fsck', ['-fn', `${seen}?offset=${PARTS[part]}`]);
  for (const [path, text] of Object.entries(KEPT)) {
    const [part, ...names] = path.split('/') as ['root' | 'var', ...string[]];
    expect(await ask(seen, part, `cat /${names.join('/')}`), path).toBe(text);
  }
  expect(await ask(seen, 'var', 'cat /lib/cloud/scripts/per-instance/first-boot')).toBe('#!/bin/sh\n');
  expect(await ask(seen, 'root', 'stat /etc/machine-id')).toMatch(/Type: regular.*Size: 0$/ms);
  expect(await ask(seen, 'root', 'ls /etc/ssh')).not.toContain('ssh_host');
  // What is called as no debugfs can be told stays there, empty.
  expect(await ask(seen, 'var', 'ls /lib/cloud/instances')).not.toContain('i-1');
  expect(await ask(seen, 'var', 'ls /log')).not.toContain('syslog');
  // Both tables are whole: sfdisk tells of a backup that is not.
  expect((await exec('sfdisk', ['--verify', seen])).stderr).toBe('');
  await exec('debugfs', ['-R', `dump /swap ${at('swap')}`, `${seen}?offset=${PARTS.var}`]);
  expect(await kindAt(at('swap'), 0)).toBe('swap');
  expect(scrubbed).toContain('/var/lib/cloud/instances/i-1/user-data.txt');
  expect(scrubbed).not.toContain('/var/lib/cloud/instance-links');

  expect(secrets.map(({ path }) => path)).toEqual([
    '/etc/shadow',
    '/etc/ssl/private/site.key',
    '/home/debian/.aws/credentials',
    '/home/debian/.ssh/id_ed25519',
    '/home/debian/app/.env',
  ]);
  const told = warnings.join('\n');
  expect(told).toContain('/home/debian/.ssh/id_ed25519: a private key');
  expect(told).not.toContain('SECRET');

  const again = await sent(async () => expect((await publish()).digest).toBe(digest));
  expect(again).toBe(0);
  const otherTag = await sent(() => publish({ reference: `${registry.address}/me/box:2` }));
  expect(otherTag).toBeLessThan(16 * 1024);
});

test('a /var is known as one, whatever of the disk was changed, and by what is in it where nothing names it', async () => {
  const [raw, log] = [at('var.raw'), at('log')];
  await writeFile(log, 'MARKER-log\n'.repeat(1000));
  await cp(base.raw, raw);
  await debugfs(raw, 'var', [`write ${log} /log/daemon.log`]);
  const reference = `${registry.address}/me/var:1`;
  warnings.length = 0;
  const known = await publish({ source: await dataOf('var', raw), reference });
  expect(known.scrubbed).toEqual(['/var/log/daemon.log']);
  expect(await markers((await pull('var-pulled', reference)).own)).toEqual([]);
  expect(warnings).toEqual([]);

  await writeFile(at('fstab'), 'LABEL=root / ext4 defaults 0 1\n');
  await debugfs(raw, 'root', ['rm /etc/fstab', `write ${at('fstab')} /etc/fstab`]);
  const guessed = await publish({ source: await dataOf('unnamed', raw), reference });
  expect(guessed.scrubbed).toEqual(['/var/log/daemon.log']);
  expect(warnings.join('\n')).toContain('partition 2 is mounted: by what is in it, it is taken for /var');
});

test('a disk of a mirror is not changed by itself', async () => {
  const raw = at('mirror.raw');
  await cp(at('lived.raw'), raw);
  const mark = Buffer.from([0xfc, 0x4e, 0x2b, 0xa9]);
  await writeFile(at('mark'), mark);
  const place = PARTS.var + 32 * MIB - 65536;
  await exec('dd', [`if=${at('mark')}`, `of=${raw}`, 'conv=notrunc', 'bs=4', `seek=${place / 4}`]);
  const refused = publish({ source: await dataOf('mirror', raw), reference: `${registry.address}/me/mirror:1` });
  await expect(refused).rejects.toMatchObject({
    code: 'SCRUB_IMPOSSIBLE',
    message: expect.stringContaining('partition 2, which is RAID'),
  });
});

test('--no-scrub publishes all of it; an archive has all of it too, with a warning, unless it is asked for', async () => {
  await publish({ reference: `${registry.address}/me/all:1`, scrub: false });
  const { own } = await pull('all', `${registry.address}/me/all:1`);
  const all = await markers(at('lived.raw'));
  expect(await markers(own)).toEqual(all);
  expect(all).toContain('MARKER-in-blocks');
  const kept = await publish({ reference: 'me/box:1', output: at('kept.tar') });
  expect(kept.scrubbed).toEqual([]);
  expect(kept.secrets.map(({ path }) => path)).toContain('/root/.bash_history');
  expect(kept.secrets.map(({ path }) => path)).toContain('/etc/ssh/ssh_host_ed25519_key');
  const clean = await publish({ reference: 'me/box:1', output: at('clean.tar'), scrub: true });
  expect(clean.scrubbed).toContain('/root/.bash_history');
});

test('folded into one disk, it is scrubbed too', async () => {
  for (const fold of ['flatten', 'commit'] as const) {
    const reference = `${registry.address}/me/${fold}:1`;
    await publish({ reference, fold });
    const { own } = await pull(fold, reference);
    expect(
      (await markers(own)).filter((each) => each.startsWith('MARKER')),
      fold,
    ).toEqual([]);
    if (fold === 'flatten') expect(await markers(own)).not.toContain('BASE-removed');
    expect(await ask(own, 'root', 'cat /home/debian/note')).toBe('a note\n');
  }
});

test('a machine that crashed: its journal is replayed first', async () => {
  const raw = at('crashed.raw');
  await cp(at('lived.raw'), raw);
  const block = Number(/\(0\):(\d+)/.exec(await ask(raw, 'root', 'stat /home/debian/note'))?.[1]);
  await writeFile(at('block'), 'a newer note\n'.padEnd(4096, '\0'));
  await debugfs(raw, 'root', [
    'set_inode_field /home/debian/note size 13',
    'jo',
    `jw -b ${block} ${at('block')}`,
    'jc',
  ]);
  expect(await ask(raw, 'root', 'cat /home/debian/note')).not.toContain('newer');
  const crashed = await dataOf('crashed', raw);
  const reference = `${registry.address}/me/crashed:1`;
  const first = await publish({ source: crashed, reference });
  const { own, seen } = await pull('crashed-pulled', reference);
  expect(await ask(seen, 'root', 'cat /home/debian/note')).toBe('a newer note\n');
  expect((await markers(own)).filter((each) => each.startsWith('MARKER'))).toEqual([]);
  expect((await publish({ source: crashed, reference })).digest).toBe(first.digest);
});

test('10 MB of noise in a file: at most 16 MB are sent', async () => {
  const raw = at('noisy.raw');
  await cp(at('lived.raw'), raw);
  await debugfs(raw, 'root', [`write ${await noise(at('noise'), 10)} /home/debian/noise`]);
  const source = await dataOf('noisy', raw);
  const bytes = await sent(() => publish({ source, reference: `${registry.address}/me/noisy:1` }));
  expect(bytes).toBeGreaterThan(10 * MIB);
  expect(bytes).toBeLessThan(16 * MIB);
});

test('a partition that cannot be read and was changed: nothing is sent without --no-scrub', async () => {
  const raw = at('other.raw');
  await cp(at('lived.raw'), raw);
  await exec('qemu-io', ['-f', 'raw', '-c', `write -P 7 ${PARTS.other + 65536} 64k`, raw]);
  const source = await dataOf('other', raw);
  const reference = `${registry.address}/me/other:1`;
  const failure = await publish({ source, reference }).catch((error) => error);
  expect(failure).toMatchObject({
    code: 'SCRUB_IMPOSSIBLE',
    exitCode: 65,
    hint: expect.stringContaining('--no-scrub'),
  });
  expect(failure.message).toContain('partition 4');
  expect((await fetch(`http://${registry.address}/v2/me/other/tags/list`)).status).toBe(404);
  warnings.length = 0;
  await publish({ source, reference: 'me/other:1', output: at('other.tar') });
  expect(warnings.join('\n')).toContain('partition 4');
  await publish({ source, reference, scrub: false });
});

test('nothing of the work is left in the cache', async () => {
  expect((await exec('ls', ['-A', join(ctx.cacheDir, 'tmp')])).stdout).toBe('');
});
