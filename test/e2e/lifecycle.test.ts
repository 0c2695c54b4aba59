import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FAST_OPTIONS, fastDocker } from '../helpers/fast-docker.ts';
import { waitFor } from '../helpers/process.ts';
import { bakedImage } from '../helpers/virtainer.ts';

const fast = fastDocker();
const { start } = fast;
let volumes = 0;

function freshVolume(): string[] {
  volumes += 1;
  return ['-v', `data${volumes}:/mounted`];
}

test('V2: poweroff in the guest ends the container with 0, and the log says so', async () => {
  const vm = await start();
  await vm.reached('ready');
  await vm.guest('poweroff -f >/dev/null 2>&1 &');
  expect(await vm.ended()).toBe(0);
  expect(await vm.log()).toContain('virtainers: the guest powered off (exit code 0)');
});

test('a panic ends it with 70', async () => {
  const vm = await start();
  await vm.reached('ready');
  await vm.guest('sync; (sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 &');
  expect(await vm.ended()).toBe(70);
  expect(await vm.log()).toContain('the guest panicked');
});

test('a guest that cannot tell QEMU of a panic ends with 70 as well; one that quotes a panic goes on', async () => {
  const vm = await start();
  await vm.reached('ready');
  await vm.guest('rmmod pvpanic-mmio pvpanic; true');
  await vm.guest("printf '[   40.1] Kernel panic - not syncing: a quotation\\n# ' > /dev/ttyS0; sleep 4");
  expect(await vm.inspect('{{.State.Running}}')).toBe('true');
  await vm.guest('sync; (sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 &');
  expect(await vm.ended()).toBe(70);
  expect(await vm.log()).toContain('the guest panicked');
});

test('a reboot stays in the container, and readiness is found again', async () => {
  const vm = await start();
  await vm.reached('ready');
  await vm.guest('sync; (sleep 1; reboot -f) >/dev/null 2>&1 &');
  await waitFor('the reboot', async () => ((await vm.status()).state === 'booting' ? true : undefined), 30_000);
  await vm.reached('ready');
  expect((await vm.guest('cat /data/boots')).trim()).toBe('2');
  expect(await vm.inspect('{{.State.Running}}')).toBe('true');
});

test('V1: stop within the default 10 s flushes, shuts the guest down and ends with 0', async () => {
  const vm = await start(freshVolume());
  await vm.reached('ready');
  await vm.guest('echo unsynced > /data/file');
  await fast.docker.command('stop', vm.name);
  expect(await vm.inspect('{{.State.ExitCode}}')).toBe('0');
  await fast.docker.command('start', vm.name);
  await vm.reached('ready');
  expect(await vm.guest('cat /data/file')).toBe('unsynced\n');
  expect(await vm.guest('dmesg | grep -c recovery || true')).toBe('0\n');
});

test('with stop -t 1 nothing that was written before is lost, and the next start works', async () => {
  const vm = await start(freshVolume());
  await vm.reached('ready');
  await vm.guest('dd if=/dev/urandom of=/data/random bs=64k count=16 2>/dev/null; md5sum /data/random > /data/sum');
  await fast.docker.command('stop', '-t', '1', vm.name);
  await fast.docker.command('start', vm.name);
  await vm.reached('ready');
  expect(await vm.guest('md5sum -c /data/sum')).toContain('OK');
});

test('SIGKILL of the container loses nothing that the guest had flushed', async () => {
  const vm = await start(freshVolume());
  await vm.reached('ready');
  await vm.guest('echo kept > /data/file; sync');
  await fast.docker.command('kill', '--signal', 'KILL', vm.name);
  await fast.docker.command('start', vm.name);
  await vm.reached('ready');
  expect(await vm.guest('cat /data/file')).toBe('kept\n');
});

test('V3: restart boots the same machine again: boots count on, the address answers', async () => {
  const vm = await start(freshVolume());
  const before = await vm.reached('ready');
  await fast.docker.command('restart', '-t', '60', vm.name);
  const after = await vm.reached('ready');
  expect(after.since).not.toBe(before.since);
  // The console of the first life has been told.
  expect((await vm.log()).match(/fast-guest: boot \d+/g)).toEqual(['fast-guest: boot 1', 'fast-guest: boot 2']);
  expect((await vm.guest('cat /data/boots')).trim()).toBe('2');
});

test('a restart policy brings a panicked guest back', async () => {
  const vm = await start(['--restart', 'on-failure:1', ...freshVolume()]);
  await vm.reached('ready');
  await vm.guest('sync; (sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 &');
  const restarted = async () =>
    (await vm.inspect('{{.RestartCount}}')) === '1' && (await vm.status()).state === 'ready';
  await waitFor('the restart', async () => ((await restarted()) ? true : undefined), 120_000);
  expect((await vm.guest('cat /data/boots')).trim()).toBe('2');
});

test('Ctrl-C on the terminal of docker run -it is a stop', async () => {
  const words = ['docker', 'run', '-it', '--name', 'terminal', ...FAST_OPTIONS, fast.image].join(' ');
  const child = fast.docker.spawn('script', ['--quiet', '--return', '--command', words, '/dev/null'], {
    stdin: 'pipe',
  });
  const vm = fast.adopt('terminal');
  await waitFor('the container', async () => (await vm.status()).state, 60_000);
  await vm.reached('ready');
  child.stdin?.write('\x03');
  expect((await child.exited).exitCode).toBe(0);
  expect(await vm.log()).toContain('stop: SIGINT received');
});

test('a stop before the guest was started ends with 0, and starts none', async () => {
  const generic = await bakedImage('generic');
  await fast.docker.load(generic.archive);
  // Hashed in full at its first start, which takes longer than a stop may. A boot sector's signature, and then holes.
  const disk = join(await fast.docker.folder('large'), 'disk.raw');
  await writeFile(disk, Buffer.alloc(512).fill('\x55\xaa', 510, 'latin1'));
  await truncate(disk, 100 * 1024 ** 3);
  const vm = fast.adopt('early');
  await fast.docker.command('run', '-d', '--name', vm.name, '-v', `${disk}:/image:ro`, generic.reference);
  await waitFor('the log', async () => ((await vm.log()).includes('libvirt: ') ? true : undefined), 30_000);
  await fast.docker.command('stop', vm.name);
  expect(await vm.inspect('{{.State.ExitCode}}')).toBe('0');
  expect(await vm.log()).toContain('stopped before the guest was started (exit code 0)');
});

test('V19: no zombie is left, and the health check tells', async () => {
  const vm = await start();
  await vm.reached('ready');
  const states = await vm.run('sh', '-c', 'cat /proc/[0-9]*/stat 2>/dev/null | sed "s/.*) //" | cut -c1 | sort | uniq');
  expect(states).not.toContain('Z');
  await waitFor(
    'health',
    async () => ((await vm.inspect('{{.State.Health.Status}}')) === 'healthy' ? true : undefined),
    60_000,
  );
});

test('starting writes nothing into the own layer of the container that grows with the disk', async () => {
  const vm = await start(freshVolume());
  await vm.reached('ready');
  const size = Number(await fast.docker.command('inspect', '--size', '--format', '{{.SizeRw}}', vm.name));
  // The base disk alone has 20 MB; what is left is libvirt's state, the seed and the log.
  expect(size).toBeLessThan(2_000_000);
});
