import type { Exec } from '@virtainers/core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Engine, type EngineName, startEngine } from '../helpers/engines.ts';
import { fastAnswer } from '../helpers/fast-guest.ts';
import { makeLan } from '../helpers/lan.ts';
import { waitFor } from '../helpers/process.ts';
import { fastImage, RECOMMENDED, startVirtainer, throughEngine, type Virtainer } from '../helpers/virtainer.ts';

const ends: (() => Promise<unknown>)[] = [];
let engine: Engine;
let image: string;

function engineOf(name: EngineName): void {
  beforeAll(async () => {
    engine = await startEngine(name);
    const fast = await fastImage();
    await engine.load(fast.archive);
    image = fast.reference;
  });
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });
  afterAll(() => engine?.stop());
}

async function start(...options: string[]): Promise<Virtainer> {
  const vm = await startVirtainer(engine, image, ['-e', 'RAM=256', ...RECOMMENDED, ...options]);
  ends.push(() => vm.remove());
  return vm;
}

/** One line in the guest at `address`, from where `exec` runs programs. */
function inGuest(exec: Exec, address: string, command: string): Promise<string> {
  const talk = 'exec 3<>"/dev/tcp/$0/23"; printf "%s\\n" "$1" >&3; cat <&3';
  return waitFor(
    `${command} at ${address}`,
    async () => fastAnswer(command, (await exec('bash', ['-c', talk, address, command])).stdout),
    60_000,
  );
}

const fetchFrom = (address: string) => `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${address} 80`;

describe('Docker macvlan', () => {
  engineOf('docker');

  test.for([
    ['bridge', []],
    ['macvtap', ['--privileged']],
  ] as const)(
    '%s: the guest is a station of the LAN, with the address and the MAC of the container',
    async ([mode, more]) => {
      const lan = await makeLan(engine);
      ends.push(() => lan.end());
      const addresses = ['--subnet', '192.168.1.0/24', '--gateway', '192.168.1.1', '--ip-range', '192.168.1.192/27'];
      await engine.command('network', 'create', '--driver', 'macvlan', ...addresses, '--opt', 'parent=eth0', 'lan');
      ends.push(() => engine.command('network', 'rm', 'lan'));
      const own = '192.168.1.200';
      const vm = await start('--network', 'lan', '--ip', own, '-e', `NETWORK_MODE=${mode}`, ...more);
      const { network } = await vm.reached('ready');
      expect(network).toMatchObject({ mode, addresses: [own] });
      expect(await inGuest(lan.exec, own, 'ip -o -4 addr show eth0')).toContain(`${own}/24`);
      expect(await inGuest(lan.exec, own, 'ip route')).toContain('default via 192.168.1.1 dev eth0');
      const mac = await vm.inspect('{{.NetworkSettings.Networks.lan.MacAddress}}');
      expect(await inGuest(lan.exec, own, 'cat /sys/class/net/eth0/address')).toBe(`${mac}\n`);
      expect((await lan.exec('ip', ['neigh', 'show', own])).stdout).toContain(mac);
      expect((await lan.exec('ping', ['-c', '1', '-W', '5', own])).stdout).toContain('ttl=64');
      expect(await inGuest(lan.exec, own, 'ping -c 1 -W 5 192.168.1.1')).toContain(' 0% packet loss');
    },
  );
});

describe.for(['podman', 'podman-rootless'] as const)('%s', (name) => {
  engineOf(name);

  test('a guest that has its container’s address and one behind nat reach each other by name', async () => {
    await engine.command('network', 'create', 'lab');
    ends.push(() => engine.command('network', 'rm', 'lab'));
    const taken = await start('--network', 'lab', '-e', 'NETWORK_MODE=bridge');
    const hidden = await start('--network', 'lab');
    const [first, second] = [await taken.reached('ready'), await hidden.reached('ready')];
    expect([first.network?.mode, second.network?.mode]).toEqual(['bridge', 'nat']);
    const from = (vm: Virtainer, command: string) => throughEngine(engine, vm, command);
    expect(await from(taken, 'ip -o -4 addr show eth0')).toContain(` ${first.network?.addresses[0]}/`);
    const page = (vm: Virtainer) => fetchFrom(vm.name);
    expect(await from(taken, page(hidden))).toContain('200 OK');
    expect(await from(hidden, page(taken))).toContain('200 OK');
  });
});
