import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Engine, rootfulPodman } from '../helpers/engines.ts';
import { makePod } from '../helpers/pod.ts';
import { waitFor } from '../helpers/process.ts';
import { makeKey, sshInto } from '../helpers/ssh.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { bakedImage, RECOMMENDED, startVirtainer, type Virtainer } from '../helpers/virtainer.ts';

let podman: Engine;
let image: string;
let key: string;
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  podman = await rootfulPodman();
  const debian = await bakedImage('debian:13-packages');
  await podman.load(debian.archive);
  image = debian.reference;
  ({ key } = await makeKey(await tempFolder('debian-network')));
});

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

afterAll(() => podman?.stop());

async function start(...options: string[]): Promise<Virtainer> {
  const vm = await startVirtainer(podman, image, [...RECOMMENDED, '-v', `${key}.pub:/tmp/id_rsa.pub:ro`, ...options]);
  ends.push(() => vm.remove());
  return vm;
}

/** By any of its addresses, from the engine's own network. */
function inGuest(host: string, command: string): Promise<string> {
  return sshInto({ host, user: 'debian', key, exec: podman.exec }, command);
}

test('bridge: every address of the interface, static, announced and of both families, and both default routes', async () => {
  const at = (host: number) => `${podman.spare}.${host}`;
  const pod = await makePod(podman, {
    addresses: [`${at(201)}/32`, `${at(202)}/32`, 'fd00:7:7::201/64'],
    gateways: ['169.254.1.1', 'fd00:7:7::1'],
    mtu: 1400,
  });
  ends.push(() => pod.end());
  await podman.exec('ip', ['address', 'add', 'fd00:7:7::1/128', 'dev', pod.wire, 'nodad']);
  const vm = await start(...pod.options, '-e', 'NETWORK_MODE=bridge');
  const { network } = await vm.reached('ready');
  expect(network?.addresses).toEqual([at(201), at(202), 'fd00:7:7::201']);
  const addresses = await inGuest(at(201), 'ip -brief address show eth0');
  for (const address of [`${at(201)}/32`, `${at(202)}/32`, 'fd00:7:7::201/64']) expect(addresses).toContain(address);
  expect(await inGuest(at(202), 'ip route; ip -6 route; cat /sys/class/net/eth0/mtu')).toMatch(
    /default via 169\.254\.1\.1 dev eth0[\s\S]*default via fd00:7:7::1 dev eth0[\s\S]*\n1400$/,
  );
  expect(await inGuest('fd00:7:7::201', 'uname -n')).not.toBe('');
});

test('bridge: an address that a router announces is made anew by the guest, which has the MAC it follows from', async () => {
  const own = `${podman.spare}.203`;
  const pod = await makePod(podman, { addresses: [`${own}/24`], gateways: [`${podman.spare}.1`] });
  ends.push(() => pod.end());
  await podman.exec('ip', ['address', 'add', 'fd00:8:8::1/64', 'dev', pod.wire, 'nodad']);
  const router = podman.spawn('setpriv', [
    ...['--pdeathsig', 'TERM', 'dnsmasq', '--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--pid-file='],
    ...[
      `--interface=${pod.wire}`,
      '--bind-interfaces',
      '--leasefile-ro',
      '--enable-ra',
      '--dhcp-range=fd00:8:8::,ra-only',
    ],
  ]);
  ends.push(async () => {
    router.kill('SIGTERM');
    await router.exited;
  });
  const announced = await waitFor(
    'an address of the announced prefix',
    async () => /inet6 (fd00:8:8:\S+)\/64/.exec((await pod.exec('ip', ['-o', '-6', 'address'])).stdout)?.[1],
    60_000,
  );
  const vm = await start(...pod.options, '-e', 'NETWORK_MODE=bridge');
  await vm.reached('ready');
  expect(await inGuest(own, 'ip -6 -brief address show eth0')).toContain(`${announced}/64`);
  expect(await inGuest(announced, 'uname -n')).not.toBe('');
});

test('nat: the guest takes an IPv6 address by DHCPv6, and what is sent to that of the container arrives', async () => {
  const subnets = ['--subnet', `${podman.spare}.0/24`, '--ipv6', '--subnet', 'fd00:9:9::/64'];
  await podman.command('network', 'create', ...subnets, 'dual');
  ends.push(() => podman.command('network', 'rm', 'dual'));
  const forwarding = ['--sysctl', 'net.ipv6.conf.all.forwarding=1'];
  const vm = await start('--network', 'dual', ...forwarding);
  const { network } = await vm.reached('ready');
  const own6 = network?.addresses.find((address) => address.startsWith('fd00:9:9:')) ?? '';
  expect(network?.mode).toBe('nat');
  expect(await inGuest(own6, 'ip -6 -brief address show')).toContain('fd76:6d64:c0a8:64::100/128');
  expect(
    await inGuest(own6, 'ping -6 -c 1 -W 5 fd00:9:9::1 || bash -c ": < /dev/tcp/fd00:9:9::1/22" 2>&1 || true'),
  ).not.toContain('unreachable');
});
