import { copyFile, mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataPaths, IN_IMAGE } from '@virtainers/core';
import { beforeAll, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { takeDisks } from '../../packages/builder/src/publish/image-disks.ts';
import { openOrigin } from '../../packages/builder/src/publish/open-origin.ts';
import { diffData } from '../../packages/host/src/data/diff.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, publishRoot } from './oci-samples.ts';
import { hostContext, makeData } from './publish-samples.ts';

const MIB = 1024 ** 2;
let folder: string;
let ctx: BuildContext;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  await requireTool('qemu-img', 'sfdisk', 'mke2fs', 'debugfs', 'skopeo', 'flock');
  folder = await tempFolder('diff');
  ctx = await makeContext(folder);
});

/** A partition of ext4 and one of nobody knows what. */
async function makeDisk(path: string): Promise<void> {
  await writeFile(path, '');
  await truncate(path, 16 * MIB);
  const table = 'label: dos\nunit: sectors\n1: start=2048, size=20480\n2: start=22528, size=8192\n';
  await exec('sfdisk', ['--quiet', path], { input: table });
  await mkdir(at('files/etc'), { recursive: true });
  for (const name of ['keep', 'change', 'gone', 'chmod'])
    await writeFile(at(`files/etc/${name}`), `${name}\n`.repeat(100));
  await exec('mke2fs', ['-q', '-t', 'ext4', '-E', `offset=${MIB}`, '-d', at('files'), path, '10240k']);
}

/** A guest's doings, without a guest. */
async function change(path: string): Promise<void> {
  await writeFile(at('new'), 'new\n'.repeat(2000));
  await writeFile(at('changed'), 'CHANGE\n'.repeat(100));
  const commands = [
    ...[`write ${at('new')} etc/new`, 'rm etc/gone', 'rm etc/change', `write ${at('changed')} etc/change`],
    'set_inode_field etc/chmod mode 0100600',
  ];
  await writeFile(at('commands'), `${commands.join('\n')}\n`);
  await exec('debugfs', ['-w', '-f', at('commands'), `${path}?offset=${MIB}`]);
  await exec('qemu-io', ['-f', 'raw', '-c', 'write -P 0x66 12M 8k', '-c', 'write -P 0x67 600k 4k', path]);
}

test('what a machine changed: files in ext4, bytes elsewhere', async () => {
  await makeDisk(at('before.raw'));
  await copyFile(at('before.raw'), at('now.raw'));
  await change(at('now.raw'));
  const archive = at('base.tar');
  await bake(ctx, { source: at('before.raw'), definitions: [], runtime: await publishRoot(folder), output: archive });
  const { chain } = await takeDisks(ctx, await openOrigin(ctx, archive), at('disks'));
  const data = await makeData(at('data'), chain, archive);
  const { overlay } = dataPaths(data);
  await rm(overlay);
  // An overlay that holds everything: what is the same in it is no change.
  await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', at('now.raw'), overlay]);
  await exec('qemu-img', ['rebase', '-u', '-f', 'qcow2', '-F', 'qcow2', '-b', IN_IMAGE.disk, overlay]);

  const diff = await diffData(hostContext(ctx), ctx, { source: data });
  const [ext4, other] = diff.partitions;
  expect(ext4).toMatchObject({ name: '1', start: MIB, fileSystem: 'ext4' });
  expect(ext4?.files).toEqual([
    { path: '/etc/change', change: 'changed', size: 700 },
    { path: '/etc/chmod', change: 'changed', size: 600 },
    { path: '/etc/gone', change: 'deleted', size: 500 },
    { path: '/etc/new', change: 'new', size: 8000 },
  ]);
  expect(other).toMatchObject({ name: '2', fileSystem: undefined, changed: 8192, files: undefined });
  expect(diff.elsewhere).toBe(4096);
  expect(diff.changed).toBe((ext4?.changed ?? 0) + 8192 + 4096);
});
