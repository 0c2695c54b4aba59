import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Exec, makeLog } from '@virtainers/core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { type AppliedNetwork, applyNetwork } from '../../packages/runtime/src/network/apply.ts';
import { chooseNetwork, planNetwork } from '../../packages/runtime/src/network/choose.ts';
import type { ModeName, NetworkOptions, NicPlan } from '../../packages/runtime/src/network/mode.ts';
import { readSnapshot } from '../../packages/runtime/src/network/snapshot.ts';
import { makeTapNode } from '../../packages/runtime/src/network/tap-node.ts';
import { askFor, requestFor } from '../../packages/runtime/src/testing/networks.ts';
import { exec, requireTool, waitFor } from '../helpers/process.ts';
import { askForLease, ip, pings, type WiredContainer, wireContainer } from '../helpers/wired-container.ts';

let wired: WiredContainer;
let applied: AppliedNetwork | undefined;

beforeAll(() => requireTool('ip', 'bridge', 'nft', 'dnsmasq', 'busybox', 'qemu-system-x86_64'));

afterEach(async () => {
  await applied?.undo();
  applied = undefined;
  await wired?.release();
});

type Kind = 'veth' | 'macvlan';
type Taking = 'bridge' | 'macvtap';

const COMBINATIONS: readonly [Taking, Kind][] = [
  ['bridge', 'veth'],
  ['bridge', 'macvlan'],
  ['macvtap', 'veth'],
  ['macvtap', 'macvlan'],
];

/** A network of an engine's own: a gateway with a world behind it (10.99.0.1), and a neighbour that answers DHCP too. */
async function usualNetwork(kind: Kind, mtu = 1500): Promise<void> {
  wired = await wireContainer(kind);
  const { box, lan, neighbour } = wired;
  await ip(lan, 'address add 10.83.0.1/24 dev br0');
  await ip(lan, 'address add 10.99.0.1/32 dev lo');
  await ip(neighbour, 'address add 10.83.0.9/24 broadcast + dev eth0');
  await ip(box, `link set eth0 mtu ${mtu} up`);
  await ip(box, 'address add 10.83.0.5/24 broadcast + dev eth0');
  await ip(box, 'route add default via 10.83.0.1');
}

async function take(
  mode: ModeName,
  options: Partial<NetworkOptions> = {},
  nameservers: string[] = [],
): Promise<NicPlan> {
  const { box, spawnInBox, folder, boxPid, plugIn } = wired;
  const snapshot = { ...(await readSnapshot(box, 'box')), resolver: { nameservers, search: ['lan.example'] } };
  const request = requestFor({ snapshot, ask: askFor(mode), options });
  const { nics } = chooseNetwork(request);
  const plan = planNetwork({ ...request, nics, macAt: () => '52:54:00:00:00:01', runFolder: folder });
  const [nic] = plan.nics;
  if (nic?.interface?.kind !== 'tap') throw new Error('no tap');
  // The node is made below, as the box sees its /sys.
  applied = await applyNetwork(
    box,
    spawnInBox,
    { ...plan, nics: [{ ...nic, tapNode: undefined }] },
    makeLog(() => {}),
  );
  const { device, mac } = nic.interface;
  const node = nic.tapNode && (await makeTapNode(exec, nic.tapNode, `/proc/${boxPid}/root/sys/class/net`, folder));
  await plugIn(node ? { node } : { tap: device }, mac);
  return nic;
}

/** Addresses and routes as they are to be again. */
async function stateOf(box: Exec) {
  const [link] = JSON.parse(await ip(box, '-json address show dev eth0'));
  const routes = [JSON.parse(await ip(box, '-json route show')), JSON.parse(await ip(box, '-json -6 route show'))];
  const addresses = link.addr_info.map(({ local, prefixlen, broadcast, scope }: Record<string, unknown>) => ({
    ...{ local, prefixlen, broadcast, scope },
  }));
  const { address, mtu, master, operstate } = link;
  return { address, mtu, master, operstate, addresses, routes };
}

test.for(COMBINATIONS)('%s over a %s: the guest is the container; what was taken comes back', async ([mode, kind]) => {
  await usualNetwork(kind, 1400);
  const { box, lan, neighbour, guest } = wired;
  await ip(lan, 'address add fd83::1/64 dev br0 nodad');
  await ip(box, 'address add fd83::5/64 dev eth0 nodad');
  await ip(box, '-6 route add default via fd83::1');
  await ip(box, 'route add 10.77.0.0/16 via 10.83.0.9');
  const settled = async () => {
    const state = await stateOf(box);
    return state.addresses.length === 3 ? state : undefined;
  };
  const before = await waitFor('the link-local address', settled, 10_000);
  const { guestAddress, guest: told } = await take(mode, {}, ['10.83.0.1']);
  expect(await askForLease(wired)).toMatchObject({
    ip: '10.83.0.5',
    mask: '24',
    router: '10.83.0.1',
    dns: '10.83.0.1',
    hostname: 'box',
    search: 'lan.example',
    mtu: '1400',
    staticroutes: '169.254.77.1/32 0.0.0.0 10.77.0.0/16 10.83.0.9 0.0.0.0/0 10.83.0.1',
  });
  expect(await pings(guest, '10.83.0.9')).toBe(true);
  expect(await pings(guest, '10.99.0.1')).toBe(true);
  expect(await pings(neighbour, '10.83.0.5')).toBe(true);
  expect(await pings(box, guestAddress ?? '')).toBe(true);
  expect(told).toMatchObject({ addresses: ['fd83::5/64'], routes: [{ to: '::/0', via: 'fd83::1', onLink: false }] });
  await ip(guest, 'address add fd83::5/64 dev eth0');
  // Duplicate address detection (RFC 4862, 5.4): nobody else, not even the container, may still answer for it.
  const detecting = async () => ((await ip(guest, '-6 address show dev eth0 tentative')) ? undefined : true);
  await waitFor('the end of duplicate address detection', detecting, 10_000);
  expect(await pings(guest, 'fd83::1')).toBe(true);
  expect(await pings(lan, 'fd83::5')).toBe(true);
  // The container itself has no address on the network, and no one there heard of its leg.
  const left = (await ip(box, '-brief address show')).split('\n').filter((line) => !line.startsWith('lo'));
  expect(left.join(' ').match(/\d+\.\d+\.\d+\.\d+\/\d+|[0-9a-f]+::[0-9a-f:]*\/\d+/g)).toEqual(['169.254.77.1/32']);
  expect(await ip(lan, 'neigh show dev br0')).not.toContain('169.254');
  await applied?.undo();
  applied = undefined;
  await waitFor('what was before', async () => ((await settled()) ? true : undefined), 10_000);
  expect(await stateOf(box)).toEqual(before);
  expect((await box('nft', ['list', 'ruleset'])).stdout).toBe('');
  expect((await ip(box, '-brief link show')).trim().split('\n')).toHaveLength(2);
});

test.for(COMBINATIONS)('B13: %s over a %s: no DHCP of others, and ours to nobody else', async ([mode, kind]) => {
  await usualNetwork(kind);
  const { neighbour, folder, run } = wired;
  const leases = join(folder, 'rival.leases');
  const log = join(folder, 'rival.log');
  const rival = ['--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--no-ping', '--dhcp-authoritative'];
  const files = [`--dhcp-leasefile=${leases}`, `--pid-file=${folder}/rival.pid`, `--log-facility=${log}`, '--log-dhcp'];
  run('neighbour', 'dnsmasq', ...rival, ...files, '--dhcp-range=10.83.0.200,10.83.0.210,1h');
  const listening = async () => ((await readFile(log, 'utf8')).includes('DHCP, IP range') ? true : undefined);
  await waitFor('the rival', listening, 10_000);
  await take(mode);
  expect(await askForLease(wired)).toMatchObject({ ip: '10.83.0.5', serverid: '169.254.77.1' });
  expect(await readFile(log, 'utf8')).not.toContain('DHCPDISCOVER');
  // Somebody else on the network asks, with the guest's own MAC even: nobody of ours hears it.
  const { stdout } = await wired.guest('cat', ['/sys/class/net/eth0/address']);
  await ip(wired.lan, 'link add other type veth peer name asks');
  await ip(wired.lan, 'link set other master br0 up');
  await ip(wired.lan, `link set asks address ${stdout.trim()} up`);
  await ip(neighbour, 'link set eth0 down');
  const asking = ['udhcpc', '-i', 'asks', '-n', '-q', '-f', '-t', '3', '-T', '1', '-s', '/bin/true'];
  expect((await wired.lan('busybox', asking, { allowFailure: true })).exitCode).not.toBe(0);
});

test.for(COMBINATIONS)('B13: %s over a %s: an answer that nobody asked for does not come in', async ([mode, kind]) => {
  await usualNetwork(kind);
  const { neighbour, guest } = wired;
  await take(mode);
  expect(await askForLease(wired)).toMatchObject({ ip: '10.83.0.5' });
  const rules = ['68', '69'].map((port) => `udp sport 67 udp dport ${port} counter name to${port}`).join('; ');
  const counters = ['68', '69'].map((port) => `counter to${port} { packets 0 bytes 0 }`).join('; ');
  const chain = `chain seen { type filter hook ingress device eth0 priority 0; ${rules}; }`;
  await guest('nft', ['-f', '-'], { input: `table netdev seen { ${counters}; ${chain}; }\n` });
  const seen = async (port: number) =>
    Number(/packets (\d+)/.exec((await guest('nft', ['list', 'counter', 'netdev', 'seen', `to${port}`])).stdout)?.[1]);
  // To everybody and to the guest alone; those to port 69 go last, and say that the others have had their time.
  await neighbour(process.execPath, ['--input-type=module', '-'], { input: UNASKED });
  await waitFor('what is no DHCP', async () => ((await seen(69)) === 2 ? true : undefined), 10_000);
  expect(await seen(68)).toBe(0);
});

/** A program: sends what a DHCP server would. */
const UNASKED = `
import { createSocket } from 'node:dgram';
const socket = createSocket('udp4');
socket.bind(67, '10.83.0.9', async () => {
  socket.setBroadcast(true);
  const send = (port, address) => new Promise((done) => socket.send('offer', port, address, done));
  for (const port of [68, 69]) for (const address of ['10.83.0.255', '10.83.0.5']) await send(port, address);
  socket.close();
});
`;

test.for(COMBINATIONS)(
  'B6: %s over a %s: an address of its own in no network, a gateway that no network contains',
  async ([mode, kind]) => {
    wired = await wireContainer(kind);
    const { box, lan, guest } = wired;
    await ip(lan, 'address add 169.254.1.1/32 dev br0');
    await ip(lan, 'route add 10.244.1.7 dev br0 src 169.254.1.1');
    await ip(lan, 'address add 10.99.0.1/32 dev lo');
    await ip(box, 'link set eth0 up');
    await ip(box, 'address add 10.244.1.7/32 dev eth0');
    await ip(box, 'route add 169.254.1.1 dev eth0');
    await ip(box, 'route add default via 169.254.1.1');
    const before = await stateOf(box);
    await take(mode);
    expect(await askForLease(wired)).toMatchObject({
      mask: '32',
      staticroutes: '169.254.77.1/32 0.0.0.0 169.254.1.1/32 0.0.0.0 0.0.0.0/0 169.254.1.1',
    });
    expect(await pings(guest, '10.99.0.1')).toBe(true);
    expect(await pings(lan, '10.244.1.7')).toBe(true);
    expect(await pings(box, '10.244.1.7')).toBe(true);
    await applied?.undo();
    applied = undefined;
    const { routes, address } = await stateOf(box);
    expect({ routes: routes[0], address }).toEqual({ routes: before.routes[0], address: before.address });
  },
);

test.for(COMBINATIONS)(
  "B7: %s over a %s: a resolver of the container's own answers in the guest, and finds its way out",
  async ([mode, kind]) => {
    await usualNetwork(kind);
    const { box, lan, guest, folder, run } = wired;
    const server = ['--keep-in-foreground', '--conf-file=/dev/null', '--no-resolv', `--pid-file=${folder}/far.pid`];
    run(
      'lan',
      'dnsmasq',
      ...server,
      '--listen-address=10.99.0.1',
      '--bind-interfaces',
      '--address=/far.example/10.98.0.1',
    );
    // Stands for Docker's resolver, which asks others from within the container.
    await take(mode, { dnsmasqOptions: ['--no-resolv', '--server=10.99.0.1'] }, ['127.0.0.11']);
    expect(await askForLease(wired)).toMatchObject({ dns: '169.254.77.1' });
    const look = async () => {
      const { stdout } = await guest('busybox', ['nslookup', '-type=a', 'far.example', '169.254.77.1'], {
        timeoutMs: 5000,
      });
      return stdout.includes('10.98.0.1') ? true : undefined;
    };
    expect(await waitFor('the name', look, 15_000)).toBe(true);
    // TCP from the container itself, over the guest's own connections: neither is in the other's way.
    run('lan', 'busybox', 'nc', '-ll', '-p', '80', '-e', 'busybox', 'echo', 'hello');
    for (const place of [box, guest, box]) {
      const fetch = async () => {
        const { stdout } = await place('busybox', ['nc', '-w', '2', '10.99.0.1', '80'], { timeoutMs: 5000, input: '' });
        return stdout === 'hello\n' ? true : undefined;
      };
      expect(await waitFor('hello', fetch, 10_000)).toBe(true);
    }
    const { stdout: mac } = await guest('cat', ['/sys/class/net/eth0/address']);
    const learnt = await ip(lan, 'neigh show 10.83.0.5 dev br0');
    expect(learnt).toContain(mac.trim());
    expect(await pings(guest, '10.83.0.9')).toBe(true);
  },
);

test.for(COMBINATIONS)(
  "NO_DHCP: %s over a %s: the network's own DHCP serves the guest; no address is left",
  async ([mode, kind]) => {
    await usualNetwork(kind);
    const { box, neighbour, folder, run } = wired;
    await take(mode, { dhcp: false });
    const server = ['--keep-in-foreground', '--conf-file=/dev/null', '--port=0', '--no-ping', '--dhcp-authoritative'];
    const files = [`--dhcp-leasefile=${folder}/lan.leases`, `--pid-file=${folder}/lan.pid`];
    run(
      'neighbour',
      'dnsmasq',
      ...server,
      ...files,
      '--dhcp-option=option:mtu,1500',
      '--dhcp-range=10.83.0.200,10.83.0.200,1h',
    );
    const lease = await waitFor('a lease', () => askForLease(wired), 30_000);
    expect(lease).toMatchObject({ ip: '10.83.0.200', serverid: '10.83.0.9' });
    expect(await pings(neighbour, '10.83.0.200')).toBe(true);
    expect(await ip(box, '-4 address show scope global')).toBe('');
  },
);

test('host-bridge: the guest is a station of the bridge, which is as it was', async () => {
  wired = await wireContainer('veth');
  const { box, neighbour, guest } = wired;
  await ip(box, 'link add br0 type bridge');
  await ip(box, 'link set eth0 master br0 up');
  await ip(box, 'link set br0 up');
  await ip(box, 'address add 10.83.0.5/24 dev br0');
  await ip(neighbour, 'address add 10.83.0.9/24 dev eth0');
  await take('host-bridge', { bridge: 'br0' });
  await ip(guest, 'address add 10.83.0.6/24 dev eth0');
  expect(await pings(guest, '10.83.0.9')).toBe(true);
  expect(await pings(box, '10.83.0.6')).toBe(true);
  await applied?.undo();
  applied = undefined;
  expect(await ip(box, '-brief link show master br0')).toMatch(/^eth0\S* .*\n$/);
  expect(await ip(box, '-brief -4 address show br0')).toContain('10.83.0.5/24');
});

test("nat: the container's resolvers are asked in their order, also after the first was slow once", async () => {
  await usualNetwork('veth');
  const { lan, guest, folder, run } = wired;
  await ip(lan, 'address add 10.83.0.2/24 dev br0');
  const resolver = (address: string, names: string) => {
    const own = ['--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--bind-interfaces', '--except-interface=lo'];
    return run('lan', 'dnsmasq', '--keep-in-foreground', '--pid-file', ...own, `--listen-address=${address}`, names);
  };
  const lookup = async (place: Exec, server: string) =>
    (await place('busybox', ['nslookup', '-type=a', 'peer.example', server], { allowFailure: true })).stdout;
  const answers = (server: string, text: string) => async () => (await lookup(lan, server)).includes(text) || undefined;
  const first = resolver('10.83.0.1', '--address=/peer.example/10.83.0.9');
  resolver('10.83.0.2', '--local=/#/');
  await waitFor('the first resolver', answers('10.83.0.1', '10.83.0.9'), 10_000);
  await waitFor('the second resolver', answers('10.83.0.2', 'NXDOMAIN'), 10_000);
  const resolvers = join(folder, 'resolv.conf');
  // dnsmasq reads it as a user of its own.
  await chmod(folder, 0o755);
  await writeFile(resolvers, 'nameserver 10.83.0.1\nnameserver 10.83.0.2\n');
  await take('nat', { dnsmasqOptions: [`--resolv-file=${resolvers}`] });
  const { dns = '' } = (await askForLease(wired)) ?? {};
  first.kill('SIGSTOP');
  expect(await lookup(guest, dns)).toContain('NXDOMAIN');
  first.kill('SIGCONT');
  expect(await lookup(guest, dns)).toContain('10.83.0.9');
});
