import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FAST_OPTIONS, fastDocker } from '../helpers/fast-docker.ts';
import { type IscsiTarget, startIscsiTarget } from '../helpers/iscsi-target.ts';
import { networkImage } from '../helpers/network-image.ts';
import { freePort } from '../helpers/ports.ts';
import { COMMAND, RUNTIME, startVirtainer, type Virtainer } from '../helpers/virtainer.ts';

/** A disk that QEMU fetches by iSCSI. That on Ceph has a test of its own: test/ceph. */
const fast = fastDocker();
const MIB = 1024 ** 2;
let image: string;
let target: IscsiTarget;
let passwordFile: string;
let disk: string;
let vm: Virtainer | undefined;

beforeAll(async () => {
  const made = await networkImage();
  image = made.reference;
  await fast.docker.load(made.archive);
  target = await startIscsiTarget(fast.docker.host, await freePort(), 32 * MIB);
  passwordFile = join(await fast.docker.folder('iscsi'), 'password');
  await writeFile(passwordFile, `${target.password}\n`, { mode: 0o600 });
  disk = `${target.uri}:user=${target.user}:password-file=${passwordFile}`;
});

afterAll(async () => {
  await vm?.remove();
  await target?.stop();
});

test('what a guest writes there is there for the next one; the password is nowhere to be seen', async () => {
  vm = await startVirtainer(fast.docker, image, [
    ...[...FAST_OPTIONS, '-e', 'DEBUG=yes', '-e', 'STOP_ACTION=save', '-e', `DISKS=${disk}:films`],
    ...['-v', `${passwordFile}:${passwordFile}:ro`],
  ]);
  const { disks } = await vm.reached('ready');
  expect(disks).toEqual([
    {
      ...{ name: 'films', serial: 'films', target: 'vdc', from: target.uri },
      ...{ format: 'raw', size: 32 * MIB, readonly: false },
    },
  ]);
  expect(await vm.guest('cat /sys/block/vdc/serial')).toBe('films');
  await vm.guest('echo kept | dd of=/dev/vdc conv=fsync 2>/dev/null');
  const xml = await vm.run('virsh', 'dumpxml', '--security-info', 'vm');
  expect(xml).toMatch(/<secret type='iscsi' usage='films'\/>/);
  const said = [xml, await vm.log(), await vm.run('node', RUNTIME, 'xml'), await vm.run('node', RUNTIME, 'check')];
  const lines = await vm.run('sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "');
  expect(lines).toContain('qemu-system');
  const create = [COMMAND, 'snapshot', 'create', vm.name, 'first', '--engine', 'docker'];
  const { stderr } = await fast.docker.exec(process.execPath, create, { allowFailure: true });
  expect(stderr).toContain(`it also writes ${target.uri}, which no snapshot holds`);
  for (const text of [...said, lines, stderr]) expect(text).not.toContain(target.password);
  // Another machine may write on it while this one sleeps, and nobody would see.
  await fast.docker.command('stop', '-t', '120', vm.name);
  const end = await vm.log();
  expect(end).toContain(`the memory is not saved: a machine that writes ${target.uri} cannot be saved`);
  expect(end).toContain('the guest shut down (exit code 0)');
  await vm.remove();

  const run = ['run', image, '--engine', 'docker', '--memory', '256', '--name', 'next', '--disk', `${disk}:ro`];
  await fast.docker.exec(process.execPath, [COMMAND, ...run]);
  vm = fast.adopt('next');
  expect((await vm.reached('ready')).disks).toMatchObject([{ serial: 'store-1', readonly: true }]);
  expect(await vm.guest('head -c 5 /dev/vdc')).toBe('kept\n');
});

test('69: a target that lets nobody in, one that is not there, and an image without the feature', async () => {
  const wrong = join(await fast.docker.folder('iscsi'), 'wrong');
  await writeFile(wrong, 'another-secret-of-16', { mode: 0o600 });
  const nobody = `iscsi://${fast.docker.host}:${await freePort()}/iqn.2026-01.example:none/1`;
  const disks = `${target.uri}:user=${target.user}:password-file=${wrong} ${nobody}`;
  const both = await refused(image, '-e', `DISKS=${disks}`, '-v', `${wrong}:${wrong}:ro`);
  expect(both.exitCode, both.said).toBe(69);
  expect(both.said).toContain(`opening ${target.uri}: `);
  expect(both.said).toContain(`opening ${nobody}: `);
  const bare = await refused(fast.image, '-e', `DISKS=${nobody}`);
  expect(bare.exitCode).toBe(69);
  expect(bare.said).toContain('--feature rbd');
});

async function refused(reference: string, ...options: string[]): Promise<{ exitCode: number; said: string }> {
  const words = ['run', '--rm', ...FAST_OPTIONS, ...options, reference];
  const { exitCode, stderr, stdout } = await fast.docker.exec('docker', words, { allowFailure: true });
  return { exitCode, said: stdout + stderr };
}
