import { afterEach, expect, test } from 'vitest';
import { FAST_OPTIONS, fastDocker } from '../helpers/fast-docker.ts';
import { waitFor } from '../helpers/process.ts';
import type { Virtainer } from '../helpers/virtainer.ts';

const networks: string[] = [];

// Hooks that were given later run first: a network goes once the containers on it have gone.
afterEach(async () => {
  for (const each of networks.splice(0)) await fast.docker.command('network', 'rm', each);
});

const fast = fastDocker();

const start = (...options: string[]): Promise<Virtainer> => fast.start(options);

/** On several networks at once, the first being the primary one: `docker run` of Docker 20.10 takes only one. */
async function startOn(
  name: string,
  [first = '', ...others]: readonly string[],
  ...options: string[]
): Promise<Virtainer> {
  await fast.docker.command('create', '--name', name, '--network', first, ...FAST_OPTIONS, ...options, fast.image);
  for (const each of others) await fast.docker.command('network', 'connect', each, name);
  await fast.docker.command('start', name);
  return fast.adopt(name);
}

async function network(name: string, ...options: string[]): Promise<string> {
  await fast.docker.command('network', 'create', ...options, name);
  networks.push(name);
  return name;
}

/** Without wget: a static one of Debian's crashes where it looks up a name. */
const fetchFrom = (address: string) => `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 5 ${address} 80`;

/** The guest's door opens a moment after its agent, by which a guest counts as ready, answers. */
function inGuest(vm: Virtainer, command: string, address: string): Promise<string> {
  return waitFor(command, () => vm.guestAt(address, command), 60_000);
}

test('nat: TCP, ICMP and the own address of the container all reach the guest; nothing else listens there', async () => {
  const vm = await start();
  const { network: seen } = await vm.reached('ready');
  const [address = ''] = seen?.addresses ?? [];
  expect(await inGuest(vm, 'hostname', address)).toBe('vm\n');
  // One hop more than the container itself would be.
  expect((await fast.docker.exec('ping', ['-c', '1', '-W', '5', address])).stdout).toContain('ttl=63');
  expect(await vm.run('bash', '-c', `exec 3<>/dev/tcp/${address}/22; head -n 1 <&3`)).toContain('SSH-2.0-fast');
  // Address, port and state (0A: listening), as the kernel writes them: 192.168.100.1:53 is dnsmasq, on the guest's side only.
  const sockets = (await vm.run('cat', '/proc/net/tcp')).split('\n').map((line) => line.trim().split(/\s+/));
  expect(sockets.flatMap(([, local, , state]) => (state === '0A' ? [local] : []))).toEqual(['0164A8C0:0035']);
});

test("a network of the user's own: names of containers, a fixed address, guest to guest", async () => {
  const own = await network('own', '--subnet', `${fast.docker.spare}.0/24`);
  const fixed = `${fast.docker.spare}.10`;
  const first = await start('--network', own, '--ip', fixed);
  const second = await start('--network', own);
  await first.reached('ready');
  const { network: seen } = await second.reached('ready');
  const [address = ''] = seen?.addresses ?? [];
  expect(await inGuest(second, fetchFrom(fixed), address)).toContain('200 OK');
  expect(await inGuest(second, `nslookup ${first.name}`, address)).toContain(fixed);
  expect(await inGuest(first, fetchFrom(address), fixed)).toContain('200 OK');
});

test("V16: the guest has the container's MTU", async () => {
  const small = await network(
    'small',
    '--subnet',
    `${fast.docker.spare}.0/24`,
    '--opt',
    'com.docker.network.driver.mtu=1400',
  );
  const vm = await start('--network', small);
  const { network: seen } = await vm.reached('ready');
  expect(await inGuest(vm, 'cat /sys/class/net/eth0/mtu', seen?.addresses[0] ?? '')).toBe('1400\n');
});

test('V16: a container network that overlaps the inner one moves the inner one', async () => {
  const overlapping = await network('overlapping', '--subnet', '192.168.100.0/24');
  const vm = await start('--network', overlapping);
  const { network: seen } = await vm.reached('ready');
  expect(seen?.guestAddress).toBe('192.168.101.100');
  // Asked for from the engine's own network: nothing outside has a route to this subnet.
  const greeting = `exec 3<>/dev/tcp/${seen?.addresses[0]}/22; head -n 1 <&3`;
  expect((await fast.docker.exec('bash', ['-c', greeting])).stdout).toBe('SSH-2.0-fast\r\n');
});

test('B4: a NIC for each network, in the order of the container, each with its own address, MTU and routes', async () => {
  const one = await network('one', '--subnet', `${fast.docker.spare}.0/25`);
  const mtu = ['--opt', 'com.docker.network.driver.mtu=1400'];
  const two = await network('two', '--subnet', `${fast.docker.spare}.128/25`, ...mtu);
  const vm = await startOn('both', [one, two]);
  const neighbour = await start('--network', two);
  const { network: seen } = await vm.reached('ready');
  const [first = '', second = ''] = seen?.addresses ?? [];
  expect(seen?.nics?.map(({ link, addresses }) => [link, addresses])).toEqual([
    ['eth0', [first]],
    ['eth1', [second]],
  ]);
  const { network: other } = await neighbour.reached('ready');
  const [near = ''] = other?.addresses ?? [];
  expect(await inGuest(vm, 'cat /sys/class/net/eth0/mtu /sys/class/net/eth1/mtu', first)).toBe('1500\n1400\n');
  expect(await inGuest(vm, 'ip route get 198.51.100.1', first)).toContain('dev eth0');
  expect(await inGuest(vm, `ip route get ${near}`, first)).toContain('dev eth1');
  expect(await inGuest(vm, fetchFrom(near), first)).toContain('200 OK');
  expect(await inGuest(neighbour, fetchFrom(second), near)).toContain('200 OK');
});

test('IPv6 reaches the guest where the container forwards it, and the log says how where it does not', async () => {
  const six = await network('six', '--ipv6', '--subnet', `${fast.docker.spare}.0/24`, '--subnet', 'fd00:6:6::/64');
  const lost = await start('--network', six);
  await lost.reached('ready');
  expect(await lost.log()).toContain('IPv6 on eth0 does not reach the guest');
  const sysctls = ['--sysctl', 'net.ipv6.conf.all.forwarding=1', '--sysctl', 'net.ipv6.conf.default.disable_ipv6=0'];
  expect(await lost.log()).toContain(`add ${sysctls.join(' ')}`);
  const vm = await start('--network', six, ...sysctls);
  const { network: seen } = await vm.reached('ready');
  const [address = '', address6 = ''] = seen?.addresses ?? [];
  expect(address6).toMatch(/^fd00:6:6::/);
  // The small guest has no DHCPv6 client: what dnsmasq offers is set by hand. Debian takes the offer in debian-network.test.ts.
  const inner = (seen?.guestAddress ?? '').split('.').map(Number);
  const inner6 = `fd76:6d64:c0a8:${inner[2]?.toString(16)}::`;
  await inGuest(vm, `ip -6 addr add ${inner6}100/64 dev eth0 && ip -6 route replace default via ${inner6}1`, address);
  await waitFor('ping', () => fast.docker.exec('ping', ['-6', '-c', '1', '-W', '5', address6]), 30_000);
  expect(await inGuest(vm, 'ping -6 -c 1 -W 5 fd00:6:6::1', address)).toContain('1 packets received');
});

test('none: the guest has no NIC', async () => {
  const vm = await start('-e', 'NETWORK_MODE=none');
  const { network: seen } = await vm.reached('ready');
  expect(seen).toMatchObject({ mode: 'none', addresses: [] });
  expect(await vm.run('virsh', 'domiflist', 'vm')).not.toContain('virtio');
});
