import { VirtainersError } from '@virtainers/core';
import { expect, test } from 'vitest';
import { askFor, planFor, recorded, requestFor, type Situation } from '../testing/networks.ts';
import { chooseNetwork } from './choose.ts';
import type { NicPlan } from './mode.ts';
import { probePasst } from './probe-passt.ts';
import type { Link, NetworkSnapshot, Route } from './snapshot.ts';

const options = {
  ports: [
    { protocol: 'tcp', port: 22 },
    { protocol: 'tcp', port: 8080 },
  ],
} as const;
/** As in Podman with its default capabilities. */
const means = { netAdmin: false, tun: false, unprivilegedPortStart: 1024 } as const;

const own = { family: 4, address: '10.89.0.5', prefix: 24, dynamic: false } as const;
const own6 = { family: 6, address: 'fd00::5', prefix: 64, dynamic: false } as const;

function link(name: string, addresses: Link['addresses'], mtu = 1500): Link {
  return { name, mac: '02:00:00:00:00:01', mtu, kind: 'veth', master: undefined, addresses };
}

function route(family: 4 | 6, destination: string, device: string, gateway: string | undefined): Route {
  return { family, destination, gateway, device, metric: 100, protocol: 'static' };
}

const snapshot: NetworkSnapshot = {
  links: [link('eth0', [own], 1400)],
  routes: [route(4, 'default', 'eth0', '10.89.0.1')],
  resolver: { nameservers: ['10.89.0.1'], search: ['dns.podman'] },
  hostname: 'box',
};

function plan(network: Partial<NetworkSnapshot> = {}, situation: Partial<Situation> = {}): readonly NicPlan[] {
  return planFor({ ask: askFor('passt'), options, means, snapshot: { ...snapshot, ...network }, ...situation }).nics;
}

test('one passt that shows the interface, with its MTU and the ports; no command, no daemon of ours', () => {
  const [nic] = plan();
  expect(nic).toMatchObject({ commands: [], daemons: [], addresses: ['10.89.0.5'], losses: [] });
  expect(nic?.interface).toEqual({
    kind: 'passt',
    mac: '52:54:00:00:00:00',
    source: 'eth0',
    mtu: 1400,
    forwards: [
      { protocol: 'tcp', port: 22, qemuPort: 20_022, way: 'relayed' },
      { protocol: 'tcp', port: 8080, qemuPort: 8080, way: 'direct' },
    ],
  });
  expect(nic?.guest).toMatchObject({ dhcp4: true, dhcp6: false, acceptRa: false, addresses: [], nameservers: [] });
});

test('IPv6 as the container has it', () => {
  const [nic] = plan({
    links: [link('eth0', [own, own6])],
    routes: [route(4, 'default', 'eth0', '10.89.0.1'), route(6, 'default', 'eth0', 'fd00::1')],
  });
  expect(nic?.addresses).toEqual(['10.89.0.5', 'fd00::5']);
  expect(nic?.guest).toMatchObject({ dhcp4: true, dhcp6: true, acceptRa: true, addresses: [] });
});

test('an interface without a gateway, by which passt serves no DHCP: the guest is told in its network-config', () => {
  const inner = { family: 4, address: '10.89.1.6', prefix: 24, dynamic: false } as const;
  const [first, second] = plan({
    links: [link('eth0', [own]), link('eth1', [inner, own6])],
    routes: [route(4, 'default', 'eth0', '10.89.0.1'), route(4, '10.99.0.0/16', 'eth1', '10.89.1.9')],
    resolver: { nameservers: ['127.0.0.11', '10.89.1.1'], search: ['lan'] },
  });
  expect(first?.forwards).toHaveLength(2);
  expect(second).toMatchObject({ forwards: [], addresses: [] });
  expect(second?.guest).toMatchObject({
    dhcp4: false,
    dhcp6: false,
    addresses: ['10.89.1.6/24', 'fd00::5/64'],
    routes: [{ to: '10.99.0.0/16', via: '10.89.1.9', onLink: false }],
    nameservers: ['10.89.1.1'],
    search: ['lan'],
  });
});

test('a container without interface: passt chooses, and the guest is reached from inside', () => {
  const [nic] = plan({ links: [], routes: [] });
  expect(nic?.interface).toMatchObject({ kind: 'passt', source: undefined });
  expect(nic?.guest).toMatchObject({ dhcp4: true });
});

test.for([
  [{}, 'passt', 'for nat: add --cap-add NET_ADMIN --device /dev/net/tun'],
  [{ netAdmin: true, tun: true }, 'nat', 'the best that there is'],
  [{ passtMissing: 'its sandbox is not allowed' }, 'user', 'for passt: its sandbox is not allowed'],
  [{ hostNetwork: true, netAdmin: true, tun: true }, 'passt', "the network namespace is the host's"],
] as const)('auto with %o is %s', ([given, mode, reason]) => {
  const choice = chooseNetwork(requestFor({ ask: { kind: 'auto' }, snapshot, means: { ...means, ...given } }));
  expect(choice.mode).toBe(mode);
  expect(choice.reason).toContain(reason);
});

test('asked for where it cannot run is an error with what to add', () => {
  const request = { means: { ...means, passtMissing: 'add --security-opt seccomp=unconfined' } };
  expect(() => plan({}, request)).toThrow(/asks for network mode passt/);
});

test('a router of IPv6 for IPv4 is none that passt serves by, nor one that the guest is told of', () => {
  const { nics } = planFor({ snapshot: recorded('ipv4-by-ipv6'), ask: askFor('passt') });
  expect(nics[0]?.guest).toMatchObject({
    dhcp4: false,
    dhcp6: true,
    addresses: ['10.3.0.2/24'],
    routes: [{ to: '10.8.0.0/16', via: '10.3.0.9', onLink: false }],
  });
  expect(nics[0]?.losses).toEqual([expect.stringContaining('0.0.0.0/0 via fe80::1, 10.9.0.0/16 via fd00:3::9: ')]);
});

test('user: each NIC has networks of its own; what QEMU cannot do is named once', () => {
  const network = { links: [link('eth0', [own, own6], 9000), link('eth1', [own], 1300)] };
  const [first, second] = plan(network, { ask: askFor('user'), means: { ...means, mayPing: false } });
  expect(first?.interface).toMatchObject({ subnet: '192.168.100.0', subnet6: 'fd76:6d64:c0a8:64::', mtu: 1500 });
  expect(second?.interface).toMatchObject({ subnet: '192.168.101.0', subnet6: 'fd76:6d64:c0a8:65::', mtu: 1300 });
  expect(first?.losses).toEqual([
    expect.stringContaining('ping_group_range'),
    expect.stringContaining('not the 9000 of eth0'),
    expect.stringContaining('IPv6 address of eth0'),
  ]);
  expect(second?.losses).toEqual([]);
});

const ids = { uid: 107, gid: 107, asRoot: true };

test("the probe runs as QEMU's user, with a connection that has ended", async () => {
  let ran: readonly unknown[] = [];
  const found = await probePasst(async (file, args, given) => {
    ran = [file, ...args.slice(0, 3), given?.input];
    return { exitCode: 0, stdout: '', stderr: '' };
  }, ids);
  expect(found).toBeUndefined();
  expect(ran).toEqual(['setpriv', '--reuid=107', '--regid=107', '--init-groups', '']);
});

test.for([
  [1, "Couldn't create user namespace: Operation not permitted\n", /sandbox is not allowed .*seccomp=unconfined/],
  [1, 'Multiple interfaces\nInvalid interface name\n', /^Invalid interface name$/],
  [7, '', /^it ended with 7$/],
] as const)('the probe tells why: exit code %i, %j', async ([exitCode, stderr, reason]) => {
  expect(await probePasst(async () => ({ exitCode, stdout: '', stderr }), ids)).toMatch(reason);
});

test('a passt that hangs is one that cannot run', async () => {
  const hanging = async () => {
    throw new VirtainersError('COMMAND_FAILED', 'running passt: timed out');
  };
  expect(await probePasst(hanging, ids)).toBe('it did not start within 2 s');
});
