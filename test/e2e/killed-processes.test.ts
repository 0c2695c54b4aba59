import { expect, test } from 'vitest';
import { fastDocker } from '../helpers/fast-docker.ts';
import { waitFor } from '../helpers/process.ts';
import type { Virtainer } from '../helpers/virtainer.ts';

const fast = fastDocker();

/** Process ids in the container, by what runs; the supervisor is the child of PID 1. */
async function processId(vm: Virtainer, name: string): Promise<string> {
  const rows = (await vm.run('ps', '-e', '-o', 'pid=,ppid=,comm=')).split('\n').map((row) => row.trim().split(/\s+/));
  const found = rows.find(([, parent, command]) => command === name && (name !== 'node' || parent === '1'));
  if (!found?.[0]) throw new Error(`${name} does not run in ${vm.name}`);
  return found[0];
}

async function kill(vm: Virtainer, name: string): Promise<void> {
  await vm.run('sh', '-c', `kill -9 ${await processId(vm, name)}`);
}

async function logged(vm: Virtainer, text: string): Promise<void> {
  await waitFor(text, async () => ((await vm.log()).includes(text) ? true : undefined), 60_000);
}

const start = (vm: Virtainer) => fast.docker.command('start', vm.name);
const stop = (vm: Virtainer) => fast.docker.command('stop', '-t', '120', vm.name);
const QEMU = 'qemu-system-x86';

test('any process may be killed: the guest goes on or the exit code says why not, and its disk is whole', async () => {
  const vm = await fast.start(['-v', 'data:/mounted']);
  await vm.reached('ready');
  await vm.guest('echo kept > /data/file; sync');
  const qemu = await processId(vm, QEMU);

  // virtlogd: its console goes on, before and after the new one is there.
  await kill(vm, 'virtlogd');
  await vm.guest('echo "seen $((1 + 1)) times" > /dev/console');
  await logged(vm, 'virtlogd was killed (SIGKILL); it is started again');
  await logged(vm, 'seen 2 times');

  // libvirtd: it finds its domain again, and the guest's reboot is seen by the stream that was opened anew.
  await kill(vm, 'libvirtd');
  await logged(vm, 'libvirtd was killed (SIGKILL); it is started again');
  await waitFor(
    'libvirtd',
    async () => ((await vm.run('virsh', 'list')).includes('running') ? true : undefined),
    60_000,
  );
  await vm.guest('sync; (sleep 1; reboot -f) >/dev/null 2>&1 &');
  await waitFor('the reboot', async () => ((await vm.status()).state === 'booting' ? true : undefined), 60_000);
  await vm.reached('ready');

  // dnsmasq: the same lease.
  await kill(vm, 'dnsmasq');
  await logged(vm, 'dnsmasq was killed (SIGKILL); it is started again');
  const lease = await waitFor('a lease', () => vm.guest('udhcpc -n -q -f -i eth0 -s /bin/true 2>&1'), 60_000);
  expect(lease).toContain('lease of 192.168.100.100 obtained');
  expect(await processId(vm, QEMU)).toBe(qemu);

  // A stop while libvirt is away waits for it.
  await kill(vm, 'libvirtd');
  await stop(vm);
  expect(await vm.inspect('{{.State.ExitCode}}')).toBe('0');
  expect(await vm.log()).toContain('the guest shut down (exit code 0)');

  await start(vm);
  await vm.reached('ready');
  await kill(vm, QEMU);
  expect(await vm.ended()).toBe(70);

  // Killed while libvirtd is away, of which no event tells.
  await start(vm);
  await vm.reached('ready');
  const [libvirtd, guest] = [await processId(vm, 'libvirtd'), await processId(vm, QEMU)];
  await vm.run('sh', '-c', `kill -9 ${libvirtd} ${guest}`);
  expect(await vm.ended()).toBe(70);

  // The supervisor: tini ends, and with it all others, so that the folder is free.
  await start(vm);
  await vm.reached('ready');
  await kill(vm, 'node').catch(() => undefined);
  expect(await vm.ended()).toBe(137);
  await start(vm);
  await vm.reached('ready');
  expect(await vm.guest('cat /data/file; dmesg | grep -ci "ext4.*error" || true')).toBe('kept\n0\n');
});

test('several stops at once, and one while it starts, are one stop', async () => {
  const vm = await fast.start(['-v', 'stops:/mounted']);
  await vm.reached('ready');
  const signals = ['TERM', 'INT', 'TERM', 'QUIT', 'HUP'].map((signal) =>
    fast.docker.command('kill', '--signal', signal, vm.name).catch(() => undefined),
  );
  await Promise.all([...signals, stop(vm), stop(vm)]);
  expect(await vm.inspect('{{.State.ExitCode}}')).toBe('0');
  expect((await vm.log()).match(/stop: SIG\w+ received/g)).toHaveLength(1);
  // As soon as QEMU runs, and so in the midst of its start.
  await start(vm);
  await waitFor('QEMU', () => processId(vm, QEMU), 60_000);
  await Promise.all([stop(vm), stop(vm)]);
  expect(await vm.inspect('{{.State.ExitCode}}')).toBe('0');
  // A start that meets the stop of the other container on the same folder is refused, or comes after it.
  await start(vm);
  await vm.reached('ready');
  const stopping = stop(vm);
  const second = await fast.start(['-v', 'stops:/mounted']);
  const code = await second.reached('ready').then(
    () => 0,
    () => second.ended(),
  );
  await stopping;
  expect([0, 73]).toContain(code);
  expect(await vm.inspect('{{.State.ExitCode}}')).toBe('0');
});
