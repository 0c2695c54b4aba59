import { chown, lstat, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { handOver } from '../../packages/runtime/src/disk/hand-over.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const OWNER = 1234;
const QEMU = 107;

test("what swtpm made as its own user, in a folder that libvirt gave to it, is the data folder's owner's; links and strangers are not touched", async () => {
  const folder = await tempFolder('hand-over');
  await chown(folder, OWNER, OWNER);
  const tpm = join(folder, 'local_tpm');
  const state = join(tpm, 'tpm2-00.permall');
  await mkdir(tpm, { mode: 0o700 });
  await writeFile(state, 'sealed', { mode: 0o600 });
  await symlink('/etc/hostname', join(tpm, 'link'));
  for (const path of [tpm, state]) await chown(path, QEMU, QEMU);
  await writeFile(join(folder, 'another'), '');
  const host = await stat('/etc/hostname');

  await handOver(folder, { asRoot: true, qemu: { uid: QEMU, gid: QEMU } });
  const facts = async (name: string) => {
    const { uid, gid, mode } = await lstat(join(folder, name));
    return [uid, gid, mode & 0o777];
  };
  expect(await facts('local_tpm')).toEqual([OWNER, QEMU, 0o770]);
  expect(await facts('local_tpm/tpm2-00.permall')).toEqual([OWNER, QEMU, 0o660]);
  expect((await facts('another')).slice(0, 2)).toEqual([0, 0]);
  expect(await stat('/etc/hostname')).toMatchObject({ uid: host.uid, gid: host.gid, mode: host.mode });
});
