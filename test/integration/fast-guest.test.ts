import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { converse } from '../helpers/converse.ts';
import { FAST_READY, fastCommand, fastGuest } from '../helpers/fast-guest.ts';
import { freePort } from '../helpers/ports.ts';
import { exec, requireTool, spawn, waitFor } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

interface Vm {
  readonly ports: { readonly ssh: number; readonly door: number; readonly web: number };
  /** Waits until the console has said so. */
  saw(text: string): Promise<unknown>;
  console(): string;
  type(line: string): void;
  monitor(command: string): Promise<string>;
  agent(command: string): Promise<string>;
  exited: Promise<{ exitCode: number | null }>;
  kill(): void;
}

const running: Vm[] = [];
let base: string;
let overlay: string;

beforeAll(async () => {
  await requireTool('qemu-system-x86_64', 'qemu-img', 'busybox');
  base = await fastGuest();
});

beforeEach(async () => {
  overlay = join(await tempFolder('fast'), 'overlay.qcow2');
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, overlay]);
});

afterEach(async () => {
  for (const vm of running.splice(0)) {
    vm.kill();
    await vm.exited;
  }
});

test('boots to a root shell and answers on its ports', async () => {
  const started = Date.now();
  const vm = await boot();
  await vm.saw(FAST_READY);
  console.log(`the fast guest was ready after ${Date.now() - started} ms`);
  const greeting = async () =>
    converse({ host: '127.0.0.1', port: vm.ports.ssh }, '', { until: '\n', timeoutMs: 5_000 });
  expect(await waitFor('port 22', async () => (await greeting()) || undefined, 20_000)).toBe('SSH-2.0-fast\r\n');
  expect(await fastCommand('127.0.0.1', vm.ports.door, 'id -u')).toBe('0\n');
  expect(await (await fetch(`http://127.0.0.1:${vm.ports.web}/`)).text()).toBe('fast\n');
  vm.type('echo from the $(hostname) shell');
  await vm.saw('from the fast shell');
});

test('the agent answers, and shuts down', async () => {
  const vm = await boot();
  await vm.saw(FAST_READY);
  const answer = await waitFor('the agent', () => vm.agent('guest-ping'), 20_000);
  expect(JSON.parse(answer)).toEqual({ return: {} });
  // It says nothing when it succeeds.
  await vm.agent('guest-shutdown').catch(() => undefined);
  expect(await vm.exited).toMatchObject({ exitCode: 0 });
  expect(vm.console()).toContain('fast-guest: going down');
});

test('the power button powers it off, and the data file system is clean afterwards', async () => {
  const first = await boot();
  await first.saw(FAST_READY);
  await waitFor('a write', () => fastCommand('127.0.0.1', first.ports.door, 'echo kept > /data/file'), 20_000);
  await first.monitor('system_powerdown');
  expect(await first.exited).toMatchObject({ exitCode: 0 });
  const second = await boot();
  await second.saw('fast-guest: boot 2');
  second.type('echo $(dmesg | grep -c recovery) recoveries, $(cat file)');
  await second.saw('0 recoveries, kept');
});

test('a panic reaches QEMU, and what was synced survives it', async () => {
  const first = await boot();
  await first.saw(FAST_READY);
  first.type('echo kept > file; sync; echo c > /proc/sysrq-trigger');
  expect(await first.exited).toMatchObject({ exitCode: 0 });
  const second = await boot();
  await second.saw(FAST_READY);
  second.type('echo it is $(cat file)');
  await second.saw('it is kept');
});

async function boot(): Promise<Vm> {
  const ports = { ssh: await freePort(), door: await freePort(), web: await freePort() };
  const child = spawn('qemu-system-x86_64', machine(ports), { stdin: 'pipe' });
  let text = '';
  child.stdout?.on('data', (chunk) => {
    text += String(chunk);
  });
  const vm: Vm = {
    ports,
    saw: (wanted) => waitFor(wanted, async () => text.includes(wanted) || undefined, 60_000),
    console: () => text,
    type: (line) => child.stdin?.write(`${line}\n`),
    monitor: (command) => ask('qmp', `{"execute":"qmp_capabilities"}{"execute":"${command}"}\n`),
    agent: (command) => ask('qga', `{"execute":"${command}"}\n`),
    exited: child.exited,
    kill: () => child.kill('SIGKILL'),
  };
  running.push(vm);
  return vm;
}

/** One question over a socket of QEMU's; the agent's answer is one line, the monitor has said enough after its events. */
function ask(socket: 'qmp' | 'qga', text: string): Promise<string> {
  const until = socket === 'qga' ? '\n' : 'POWERDOWN';
  return converse({ path: `${overlay}.${socket}` }, text, { until, timeoutMs: 3_000 });
}

function machine(ports: Vm['ports']): string[] {
  const forward = (host: number, guest: number) => `hostfwd=tcp:127.0.0.1:${host}-:${guest}`;
  const forwards = [forward(ports.ssh, 22), forward(ports.door, 23), forward(ports.web, 80)].join();
  return [
    ...['-machine', 'q35', '-accel', 'tcg', '-m', '256', '-nodefaults', '-display', 'none', '-serial', 'stdio'],
    ...['-drive', `file=${overlay},format=qcow2,if=virtio`, '-device', 'pvpanic', '-action', 'panic=shutdown'],
    ...['-netdev', `user,id=net0,${forwards}`, '-device', 'virtio-net-pci,netdev=net0'],
    ...['-qmp', `unix:${overlay}.qmp,server=on,wait=off`],
    ...['-device', 'virtio-serial', '-chardev', `socket,id=qga,path=${overlay}.qga,server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=qga,name=org.qemu.guest_agent.0'],
  ];
}
