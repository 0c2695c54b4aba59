import { afterEach, expect, test } from 'vitest';
import { fastDocker } from '../helpers/fast-docker.ts';
import { waitFor } from '../helpers/process.ts';
import type { Virtainer } from '../helpers/virtainer.ts';

/** The bridge of the test's network: in the namespace of Docker, which is the host as its containers see it. */
const LAN = 'lan0';
const ends: (() => Promise<unknown>)[] = [];

// Hooks that were given later run first: a network goes once the containers on it have gone.
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const fast = fastDocker();

async function lan(...options: string[]): Promise<{ name: string; at: (host: number) => string }> {
  const at = (host: number) => `${fast.docker.spare}.${host}`;
  const bridge = ['--opt', `com.docker.network.bridge.name=${LAN}`];
  await fast.docker.command('network', 'create', '--subnet', `${at(0)}/24`, ...bridge, ...options, 'lan');
  ends.push(() => fast.docker.command('network', 'rm', 'lan'));
  return { name: 'lan', at };
}

/** A DHCP server on the LAN that is none of ours. */
async function otherDhcp(address: string): Promise<void> {
  const child = fast.docker.spawn('dnsmasq', [
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--leasefile-ro', '--pid-file='],
    ...[`--interface=${LAN}`, '--bind-interfaces', '--dhcp-authoritative', `--dhcp-range=${address},${address},1h`],
  ]);
  ends.push(async () => {
    child.kill('SIGTERM');
    await child.exited;
  });
}

const fetchFrom = (address: string) => `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${address} 80`;

/** The guest's door opens a moment after its agent, by which a guest counts as ready, answers. */
function inGuest(vm: Virtainer, command: string, address: string): Promise<string> {
  return waitFor(command, () => vm.guestAt(address, command), 60_000);
}

const WAYS = {
  bridge: ['-e', 'NETWORK_MODE=bridge'],
  'macvtap, by the variables of BBVA/kvm': ['-e', 'AUTO_ATTACH=yes', '--privileged'],
} as const;

test.each(Object.entries(WAYS))(
  '%s: the guest is the container: its address, MAC, route, names and MTU',
  async (title, options) => {
    const { name, at } = await lan('--opt', 'com.docker.network.driver.mtu=1400');
    // On the same wire, and not heard: the only lease is the container's own address.
    await otherDhcp(at(99));
    const near = await fast.start(['--network', name]);
    const given = ['--network', name, '--ip', at(10), '--hostname', 'taken', '--dns-search', 'a.example'];
    const vm = await fast.start([...given, ...options]);
    const { network: seen } = await vm.reached('ready');
    expect(seen?.mode).toBe(title.split(',')[0]);
    expect(seen?.addresses).toEqual([at(10)]);
    const mac = await vm.inspect(`{{.NetworkSettings.Networks.${name}.MacAddress}}`);
    expect(await inGuest(vm, 'ip -o -4 addr show eth0', at(10))).toContain(`${at(10)}/24`);
    expect(await inGuest(vm, 'cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu; hostname', at(10))).toBe(
      `${mac}\n1400\ntaken\n`,
    );
    expect(await inGuest(vm, 'ip route', at(10))).toContain(`default via ${at(1)} dev eth0`);
    // One hop less than behind NAT, and names by Docker's 127.0.0.11, which is the container's alone.
    const { stdout: ping } = await fast.docker.exec('ping', ['-c', '1', '-W', '5', at(10)]);
    expect(ping).toContain('ttl=64');
    expect(await inGuest(vm, 'cat /etc/resolv.conf', at(10))).toContain('search a.example');
    const { network: other } = await near.reached('ready');
    const [nearAddress = ''] = other?.addresses ?? [];
    // With its dot: else the search domain is asked for first, of servers that a test cannot reach.
    expect(await inGuest(vm, `nslookup ${near.name}.`, at(10))).toContain(nearAddress);
    expect(await inGuest(vm, fetchFrom(nearAddress), at(10))).toContain('200 OK');
    expect(await inGuest(near, fetchFrom(at(10)), nearAddress)).toContain('200 OK');
    // The container still reaches its guest, by the same address.
    expect(await vm.run('bash', '-c', `exec 3<>/dev/tcp/${at(10)}/22; head -n 1 <&3`)).toContain('SSH-2.0-fast');
  },
);

test('B3: macvtap where the container may not open its node: 69, the option to add, and bridge is named', async () => {
  const vm = await fast.start(['-e', 'AUTO_ATTACH=yes']);
  expect(await vm.ended()).toBe(69);
  const log = await vm.log();
  expect(log).toContain('macvtap');
  expect(log).toContain('--device-cgroup-rule');
  expect(log).toContain('bridge');
});

test('NO_DHCP: no address is left in the container, and the DHCP server of the LAN serves the guest', async () => {
  const { name, at } = await lan();
  await otherDhcp(at(99));
  const vm = await fast.start(['--network', name, '--ip', at(10), '-e', 'NO_DHCP=true']);
  await vm.reached('ready');
  expect(await inGuest(vm, 'ip -o -4 addr show eth0', at(99))).toContain(`${at(99)}/24`);
  const links = JSON.parse(await vm.run('ip', '-json', '-4', 'address', 'show'));
  const names = links.flatMap((link: { ifname?: string }) => link.ifname ?? []);
  expect(names).toEqual(['lo']);
});

test('host-bridge: the guest is on the bridge of the host, where nothing else changes', async () => {
  const { at } = await lan();
  await otherDhcp(at(99));
  const state = async () => {
    const { stdout: links } = await fast.docker.exec('ip', ['-json', 'address', 'show']);
    const { stdout: routes } = await fast.docker.exec('ip', ['-json', 'route', 'show']);
    const { stdout: rules } = await fast.docker.exec('iptables-save', []);
    const parsed: { ifname: string; operstate?: string; addr_info: unknown }[] = JSON.parse(links);
    const kept = parsed
      .filter(({ ifname }) => !/^vm\d/.test(ifname))
      .map(({ ifname, addr_info }) => [ifname, addr_info]);
    return { links: kept, routes: JSON.parse(routes), rules: rules.replaceAll(/^#.*|\[\d+:\d+\]/gm, '') };
  };
  const vm = await fast.start(['--net=host', '-e', `BRIDGE_IF=${LAN}`]);
  await vm.reached('ready');
  const during = await state();
  expect(await inGuest(vm, 'ip -o -4 addr show eth0', at(99))).toContain(`${at(99)}/24`);
  const { stdout: ports } = await fast.docker.exec('ip', ['-json', 'link', 'show', 'master', LAN]);
  expect(JSON.parse(ports)).toHaveLength(1);
  await fast.docker.command('stop', vm.name);
  const { stdout: left } = await fast.docker.exec('ip', ['-json', 'link', 'show', 'master', LAN]);
  expect(JSON.parse(left)).toEqual([]);
  const lasting = ({ rules, routes }: Awaited<ReturnType<typeof state>>) => [rules, routes.length];
  expect(lasting(await state())).toEqual(lasting(during));
});
