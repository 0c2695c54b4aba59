import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Engine, startDocker } from '../helpers/engines.ts';
import { waitFor } from '../helpers/process.ts';
import { fastImage, RECOMMENDED, startVirtainer, type Virtainer } from '../helpers/virtainer.ts';

let docker: Engine;
let image: string;
const started: Virtainer[] = [];
const networks: string[] = [];

beforeAll(async () => {
  docker = await startDocker();
  const fast = await fastImage();
  await docker.load(fast.archive);
  image = fast.reference;
});

afterEach(async () => {
  for (const each of started.splice(0)) await each.remove();
  for (const each of networks.splice(0)) await docker.command('network', 'rm', each);
});

afterAll(() => docker?.stop());

async function start(...options: string[]): Promise<Virtainer> {
  const virtainer = await startVirtainer(docker, image, ['-e', 'RAM=256', ...RECOMMENDED, ...options]);
  started.push(virtainer);
  return virtainer;
}

async function network(name: string, ...options: string[]): Promise<string> {
  await docker.command('network', 'create', ...options, name);
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
  expect(await inGuest(vm, 'hostname', address)).toBe('fast\n');
  // One hop more than the container itself would be.
  expect((await docker.exec('ping', ['-c', '1', '-W', '5', address])).stdout).toContain('ttl=63');
  expect(await vm.run('bash', '-c', `exec 3<>/dev/tcp/${address}/22; head -n 1 <&3`)).toContain('SSH-2.0-fast');
  // Address, port and state (0A: listening), as the kernel writes them: 192.168.100.1:53 is dnsmasq, on the guest's side only.
  const sockets = (await vm.run('cat', '/proc/net/tcp')).split('\n').map((line) => line.trim().split(/\s+/));
  expect(sockets.flatMap(([, local, , state]) => (state === '0A' ? [local] : []))).toEqual(['0164A8C0:0035']);
});

test("a network of the user's own: names of containers, a fixed address, guest to guest", async () => {
  const own = await network('own', '--subnet', `${docker.spare}.0/24`);
  const fixed = `${docker.spare}.10`;
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
    `${docker.spare}.0/24`,
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
  expect((await docker.exec('bash', ['-c', greeting])).stdout).toBe('SSH-2.0-fast\r\n');
});

test('none: the guest has no NIC', async () => {
  const vm = await start('-e', 'NETWORK_MODE=none');
  const { network: seen } = await vm.reached('ready');
  expect(seen).toMatchObject({ mode: 'none', addresses: [] });
  expect(await vm.run('virsh', 'domiflist', 'vm')).not.toContain('virtio');
});
