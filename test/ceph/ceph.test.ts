import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Ceph, startCeph } from '../helpers/ceph.ts';
import { FAST_OPTIONS, fastDocker } from '../helpers/fast-docker.ts';
import { networkImage } from '../helpers/network-image.ts';
import { freePort } from '../helpers/ports.ts';
import { COMMAND, RUNTIME, startVirtainer, type Virtainer } from '../helpers/virtainer.ts';

/** A disk in a Ceph of one node, from Debian's packages: scripts/test --ceph. */
const fast = fastDocker();
const MIB = 1024 ** 2;
let image: string;
let ceph: Ceph;
let vm: Virtainer | undefined;

beforeAll(async () => {
  const made = await networkImage();
  image = made.reference;
  await fast.docker.load(made.archive);
  const started = Date.now();
  ceph = await startCeph(fast.docker.host, await freePort());
  await ceph.rbd('create', 'disks/music', '--size', '64M');
  console.log(`a Ceph of one node, with an image: ${Date.now() - started} ms`);
});

afterAll(async () => {
  await vm?.remove();
  await ceph?.stop();
});

test('what a guest writes is in the cluster, and the next container finds it; the key is nowhere to be seen', async () => {
  const mounts = ['-v', `${ceph.clients}:/etc/ceph:ro`, '-e', 'DISKS=rbd:disks/music:id=me', '-e', 'DEBUG=yes'];
  vm = await startVirtainer(fast.docker, image, [...FAST_OPTIONS, ...mounts]);
  const { disks } = await vm.reached('ready');
  expect(disks).toMatchObject([{ target: 'vdc', from: 'rbd:disks/music', serial: 'music', size: 64 * MIB }]);
  const started = Date.now();
  await vm.guest(
    'dd if=/dev/urandom of=/data/x bs=1M count=16 2>/dev/null; dd if=/data/x of=/dev/vdc conv=fsync 2>/dev/null',
  );
  console.log(`16 MiB made, written and flushed: ${Date.now() - started} ms`);
  const sum = await vm.guest('head -c 16777216 /dev/vdc | md5sum');
  expect(await vm.guest('md5sum < /data/x')).toBe(sum);
  const said = [
    ...[await vm.log(), await vm.run('virsh', 'dumpxml', '--security-info', 'vm')],
    ...[await vm.run('node', RUNTIME, 'xml'), await vm.run('node', RUNTIME, 'check')],
    await vm.run('sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "'),
  ];
  for (const text of said) expect(text).not.toContain(ceph.key);
  await vm.remove();
  expect(await ceph.rbd('du', 'disks/music')).toMatch(/16 MiB/);

  const [conf, keyring] = ['ceph.conf', 'ceph.client.me.keyring'].map((name) => join(ceph.clients, name));
  const disk = `rbd:disks/music:id=me:conf=${conf}:keyring=${keyring}:songs`;
  const run = ['run', image, '--engine', 'docker', '--memory', '256', '--name', 'next', '--disk', disk];
  await fast.docker.exec(process.execPath, [COMMAND, ...run]);
  vm = fast.adopt('next');
  await vm.reached('ready');
  expect(await vm.guest('head -c 16777216 /dev/vdc | md5sum')).toBe(sum);
  expect(await vm.guest('cat /sys/block/vdc/serial')).toBe('songs');
});

test('an image that is not there, a user without a key, a cluster that nobody knows', async () => {
  const mount = ['-v', `${ceph.clients}:/etc/ceph:ro`];
  const missing = await refused(...mount, '-e', 'DISKS=rbd:disks/none:id=me rbd:other/music:id=me');
  expect(missing.exitCode, missing.said).toBe(69);
  expect(missing.said).toMatch(/opening rbd:disks\/none: .*No such file/);
  expect(missing.said).toMatch(/opening rbd:other\/music: /);
  const keyless = await refused(...mount, '-e', 'DISKS=rbd:disks/music:id=you');
  expect(keyless.exitCode).toBe(78);
  expect(keyless.said).toContain('there is no keyring for client.you');
  const lost = await refused('-e', 'DISKS=rbd:disks/music');
  expect(lost.exitCode).toBe(78);
  expect(lost.said).toContain('-v /etc/ceph:/etc/ceph:ro');
});

async function refused(...options: string[]): Promise<{ exitCode: number; said: string }> {
  const words = ['run', '--rm', ...FAST_OPTIONS, ...options, image];
  const { exitCode, stderr, stdout } = await fast.docker.exec('docker', words, { allowFailure: true });
  return { exitCode, said: stdout + stderr };
}
