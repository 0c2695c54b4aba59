import { once } from 'node:events';
import { open, readFile, rename, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainLink, checkDisk, dataPaths } from '@virtainers/core';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { takeDisks } from '../../packages/builder/src/publish/image-disks.ts';
import { openOrigin } from '../../packages/builder/src/publish/open-origin.ts';
import { exportData } from '../../packages/host/src/data/export.ts';
import { rebaseData } from '../../packages/host/src/data/rebase.ts';
import { publishDisk } from '../../packages/host/src/publish/publish.ts';
import { exec, requireTool, spawn } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';
import { hostContext, makeData, shown, write } from './publish-samples.ts';

let folder: string;
let ctx: BuildContext;
let base: { archive: string; file: string; chain: ChainLink[] };
let data: string;
let count = 0;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'skopeo', 'flock', 'prlimit');
  folder = await tempFolder('unfit');
  ctx = await makeContext(folder);
  await makeRawDisk(at('disk.raw'));
  const archive = at('base.tar');
  await bake(ctx, { source: at('disk.raw'), definitions: [], runtime: await publishRoot(folder), output: archive });
  const { chain, files } = await takeDisks(ctx, await openOrigin(ctx, archive), at('disks'));
  base = { archive, file: files[0] ?? '', chain: [...chain] };
});

beforeEach(async () => {
  count += 1;
  data = await makeData(at(`data-${count}`), base.chain, base.archive);
  await write(data, [base.file], 'write -P 0x55 4M 1M');
});

/** Every command that reads a stopped machine's disk. */
const COMMANDS: Record<string, () => Promise<unknown>> = {
  export: () => exportData(hostContext(ctx), ctx, { source: data, file: at(`${count}.virtainer`) }),
  publish: () => {
    const words = { reference: 'me/box:1', output: at(`${count}.tar`), scrub: false };
    return publishDisk(hostContext(ctx), ctx, { source: data, ...words });
  },
  rebase: () => rebaseData(hostContext(ctx), ctx, { folder: data, onto: base.archive }),
};

test.for(Object.keys(COMMANDS))('%s refuses a disk that was torn, with the ways out', async (name) => {
  const { overlay } = dataPaths(data);
  await truncate(overlay, (await stat(overlay)).size - 512 * 1024);
  await expect(COMMANDS[name]?.()).rejects.toMatchObject({
    code: 'DISK_REFUSED',
    exitCode: 65,
    message: expect.stringMatching(/the disk is damaged\n +\S/),
    hint: expect.stringContaining('qemu-img check -r all'),
  });
});

test.for(Object.keys(COMMANDS))('%s says of one that a program has open that it is in use', async (name) => {
  const user = spawn('qemu-io', [shown(data, [base.file])], { stdin: 'pipe' });
  user.stdin?.write('read 0 512\n');
  await once(user.stdout as NodeJS.ReadableStream, 'data');
  await expect(COMMANDS[name]?.()).rejects.toMatchObject({ code: 'DATA_IN_USE', exitCode: 73 });
  user.stdin?.end('quit\n');
  await user.exited;
});

test.for(Object.keys(COMMANDS))('%s takes one of which a killed QEMU leaked clusters', async (name) => {
  const { overlay } = dataPaths(data);
  await forgetFirstCluster(overlay);
  expect((await checkDisk(exec, overlay)).tables).toBe('leaks');
  await COMMANDS[name]?.();
});

/** The guest's first cluster loses its entry in the tables, but not its count (QEMU, docs/interop/qcow2.txt). */
async function forgetFirstCluster(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  const number = async (offset: number) => {
    const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, offset);
    return Number(buffer.readBigUInt64BE() & 0x00ff_ffff_ffff_fe00n);
  };
  const first = (4 * 1024 ** 2) / 65536;
  await handle.write(Buffer.alloc(8), 0, 8, (await number(await number(40))) + first * 8);
  await handle.close();
}

const LINKED = ['overlay', 'sidecar', 'lock', 'variables', 'secureVariables', 'tpm', 'memory', 'memoryRecord'] as const;

test.for(LINKED)('a link in the place of its %s leads no command to another file', async (name) => {
  const path = dataPaths(data)[name];
  const victim = at(`victim-${count}`);
  if (name === 'overlay' || name === 'sidecar') await rename(path, victim);
  else if (name !== 'lock') await writeFile(victim, 'of root');
  await symlink(victim, path);
  const before = await readFile(victim).catch(() => undefined);
  for (const command of Object.values(COMMANDS)) {
    await expect(command()).rejects.toMatchObject({ code: 'DISK_REFUSED', message: expect.stringContaining(path) });
  }
  expect(await readFile(victim).catch(() => undefined)).toEqual(before);
});

test('a link among the files of a TPM is not followed into an export', async () => {
  const { tpm } = dataPaths(data);
  await exec('mkdir', [tpm]);
  await writeFile(at('secret'), 'of root');
  await symlink(at('secret'), join(tpm, 'tpm2-00.permall'));
  await expect(COMMANDS['export']?.()).rejects.toMatchObject({
    code: 'DISK_REFUSED',
    message: expect.stringContaining(join(tpm, 'tpm2-00.permall')),
  });
});

test('a link in the place of the new overlay is not written through by a rebase', async () => {
  const { temp } = dataPaths(data);
  await writeFile(at('victim'), 'of root');
  await symlink(at('victim'), temp);
  await expect(COMMANDS['rebase']?.()).rejects.toMatchObject({ code: 'DISK_REFUSED' });
  await rm(temp);
  await writeFile(temp, 'what a killed start left');
  await COMMANDS['rebase']?.();
  expect(await readFile(at('victim'), 'utf8')).toBe('of root');
});
