import { beforeAll, expect, test } from 'vitest';
import { fastDocker } from '../helpers/fast-docker.ts';
import type { Virtainer } from '../helpers/virtainer.ts';

const fast = fastDocker();

/** A network on which the test chooses addresses. */
const address = (host: number) => `${fast.docker.spare}.${host}`;
const at = (host: number) => ['--network', 'chosen', '--ip', address(host)];

beforeAll(async () => {
  await fast.docker.command('network', 'create', '--subnet', `${fast.docker.spare}.0/28`, 'chosen');
});

/** A program that does nothing for ever, by its process id. */
async function startProgram(vm: Virtainer, host: number): Promise<string> {
  return vm.guestAt(address(host), 'sleep 1000000 >/dev/null 2>&1 </dev/null & echo $!');
}

const program = (vm: Virtainer, host: number, id: string) =>
  vm.guestAt(address(host), `tr '\\0' ' ' < /proc/${id.trim()}/cmdline`);
const uptime = async (vm: Virtainer, host: number) =>
  Number((await vm.guestAt(address(host), 'cat /proc/uptime')).split(' ')[0]);
const exitCode = (vm: Virtainer) => vm.inspect('{{.State.ExitCode}}');
const stop = (vm: Virtainer) => fast.docker.command('stop', '-t', '120', vm.name);

test('STOP_ACTION=save: a container elsewhere goes on with the same guest; one that does not fit boots it', async () => {
  const data = ['-e', 'STOP_ACTION=save', '-v', 'saved:/mounted'];
  const first = await fast.start([...data, ...at(5)]);
  await first.reached('ready');
  const id = await startProgram(first, 5);
  const before = await uptime(first, 5);
  await stop(first);
  expect(await exitCode(first)).toBe('0');
  expect(await first.log()).toContain("the guest's memory is saved; the next start resumes it (exit code 0)");
  await first.remove();

  const second = await fast.start([...data, ...at(6)]);
  expect((await second.reached('ready')).resumed).toBe(true);
  expect(await program(second, 6, id)).toBe('sleep 1000000 ');
  expect(await uptime(second, 6)).toBeGreaterThan(before);
  expect(await second.guestAt(address(6), 'cat /data/boots')).toBe('1\n');
  const clock = Number(await second.guestAt(address(6), 'date +%s'));
  expect(Math.abs(Date.now() / 1000 - clock)).toBeLessThan(10);
  expect(await second.log()).toContain("the guest's clock is set");
  expect(await second.run('ls', '/mounted')).not.toContain('memory');
  await stop(second);
  expect(await second.run('true').catch(() => 'stopped')).toBe('stopped');
  await second.remove();

  const third = await fast.start([...data, ...at(5), '-e', 'RAM=300']);
  expect((await third.reached('ready')).resumed).toBeUndefined();
  expect(await third.log()).toContain('  RAM: saved with 256 MiB, now 300 MiB');
  expect(await third.guestAt(address(5), 'cat /data/boots')).toBe('2\n');
  expect(await third.run('ls', '/mounted')).toMatch(
    /local_memory\.aside-\d+T\d+Z\.json\nlocal_memory\.aside-\d+T\d+Z\.save/,
  );
});

test('killed while it is resumed, and killed after: resumable memory or a clean boot, never the two mixed', async () => {
  const vm = await fast.start(['-e', 'STOP_ACTION=save', '-v', 'killed:/mounted', ...at(5)]);
  await vm.reached('ready');
  await vm.guestAt(address(5), 'echo kept > /data/file; sync');
  await stop(vm);
  // QEMU has the memory when its file is gone; until then the next start may have it.
  await fast.docker.command('start', vm.name);
  await fast.docker.command('kill', '--signal', 'KILL', vm.name);
  await fast.docker.command('start', vm.name);
  expect((await vm.reached('ready')).resumed).toBe(true);
  expect(await vm.guestAt(address(5), 'cat /data/boots')).toBe('1\n');
  await vm.guestAt(address(5), 'echo later > /data/file; sync');
  await fast.docker.command('kill', '--signal', 'KILL', vm.name);
  await fast.docker.command('start', vm.name);
  expect((await vm.reached('ready')).resumed).toBeUndefined();
  expect(await vm.guestAt(address(5), 'cat /data/file /data/boots; dmesg | grep -ci "ext4.*error" || true')).toBe(
    'later\n2\n0\n',
  );
});

test('a guest that does not shut down in time is saved where the data is kept, and destroyed where it is not', async () => {
  const deaf = 'for each in /sbin/shutdown /etc/acpi/PWRF/00000080; do echo "#!/bin/sh" > $each; done';
  const vm = await fast.start(['-e', 'STOP_TIMEOUT=3', '-v', 'deaf:/mounted', ...at(5)]);
  await vm.reached('ready');
  await vm.guestAt(address(5), deaf);
  const id = await startProgram(vm, 5);
  await stop(vm);
  expect(await exitCode(vm)).toBe('0');
  expect(await vm.log()).toContain(
    'the guest did not stop within 3 s; its memory is saved, and the next start resumes it (exit code 0)',
  );
  await fast.docker.command('start', vm.name);
  await vm.reached('ready');
  expect(await program(vm, 5, id)).toBe('sleep 1000000 ');
  await vm.remove();

  const unkept = await fast.start(['-e', 'STOP_TIMEOUT=3', ...at(6)]);
  await unkept.reached('ready');
  await unkept.guestAt(address(6), deaf);
  await stop(unkept);
  expect(await exitCode(unkept)).toBe('71');
  expect(await unkept.log()).toContain('the memory is not saved: the data folder is no volume');
});
