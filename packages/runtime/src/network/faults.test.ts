import { expect, test } from 'vitest';
import { askFor, planFor, RECORDED, recorded, type Situation } from '../testing/networks.ts';
import type { NicPlan } from './mode.ts';

/** Faults of those who did this before, by their numbers; each test would show its one. */

const nicsOf = (name: string, mode: Parameters<typeof askFor>[0], more: Partial<Situation> = {}) =>
  planFor({ snapshot: recorded(name), ask: askFor(mode), ...more }).nics;
const dhcp = (nic: NicPlan | undefined) => nic?.daemons.flatMap(({ args }) => args) ?? [];
const option = (nic: NicPlan | undefined, name: string) =>
  dhcp(nic).flatMap((word) => (word.startsWith(`--dhcp-option=option:${name}`) ? [word.split(',').slice(1)] : []));
const lines = (nic: NicPlan | undefined) =>
  nic?.commands.flatMap(({ file, args, input = '' }) => [
    [file, ...args].join(' '),
    ...input.split('\n').filter(Boolean),
  ]) ?? [];

test('B4: NICs come in the order of the container, each with its own mask, MTU and lease; one offers the default router', () => {
  const nics = nicsOf('docker-two-networks', 'nat');
  expect(nics.map(({ link }) => link)).toEqual(['eth0', 'eth1']);
  expect(nics.map((nic) => nic.interface)).toMatchObject([{ device: 'vm0' }, { device: 'vm1' }]);
  expect(nics.map((nic) => option(nic, 'router'))).toEqual([[['192.168.100.1']], [[]]]);
  for (const [index, nic] of nics.entries()) {
    expect(nic.daemons).toHaveLength(1);
    expect(dhcp(nic).filter((word) => word.startsWith('--interface='))).toEqual([`--interface=vm${index}`]);
    expect(dhcp(nic).filter((word) => word.startsWith('--dhcp-host='))).toHaveLength(1);
  }
});

test('B4: a NIC without the default route leads to where its own interface does', () => {
  const [, second] = nicsOf('docker-two-networks', 'nat');
  const [routes = []] = option(second, 'classless-static-route');
  expect(routes).toEqual(['10.7.0.0/16', '192.168.101.1', '172.19.0.0/20', '192.168.101.1']);
});

test('B4: of several default routes the guest gets the one that the container takes', () => {
  const nics = nicsOf('several-default-routes', 'nat');
  expect(nics.map((nic) => option(nic, 'router'))).toEqual([[[]], [['192.168.101.1']]]);
});

test('B6: nat serves a /32 with an on-link gateway (Calico) like any other', () => {
  const [nic] = nicsOf('kubernetes-calico', 'nat');
  expect(nic?.addresses).toEqual(['192.168.37.201']);
  expect(nic?.interface).toMatchObject({ mtu: 1480 });
  expect(dhcp(nic)).toContain('--dhcp-range=192.168.100.100,192.168.100.100,255.255.255.0,infinite');
  expect(option(nic, 'mtu')).toEqual([['1480']]);
  expect(lines(nic)).toContain('    ip daddr { 192.168.37.201 } dnat to 192.168.100.100');
});

test('B7: 127.0.0.11 never reaches the guest, which asks the forwarder on its own NIC', () => {
  for (const name of ['docker-two-networks', 'docker-dual-stack', 'docker-internal']) {
    expect(recorded(name).resolver.nameservers).toEqual(['127.0.0.11']);
    for (const mode of ['nat', 'passt', 'user'] as const) {
      expect(JSON.stringify(nicsOf(name, mode))).not.toContain('127.0.0.11');
    }
    expect(option(nicsOf(name, 'nat')[0], 'dns-server')).toEqual([]);
  }
});

test('B7: DNS_SERVERS come before the forwarder, those of IPv6 not in an option of IPv4', () => {
  const options = { dnsServers: ['9.9.9.9', 'fd00::53', '1.1.1.1'] };
  const [nic] = nicsOf('docker-bridge', 'nat', { options });
  expect(option(nic, 'dns-server')).toEqual([['9.9.9.9', '1.1.1.1', '192.168.100.1']]);
});

test.for(['nat', 'bridge', 'macvtap'] as const)('%s: what DHCP has no room for is a line of the log', (mode) => {
  const snapshot = recorded('docker-two-networks');
  const [route] = snapshot.routes;
  if (!route) expect.fail();
  const many = Array.from({ length: 60 }, (_, index) => ({
    ...route,
    destination: `10.${index}.0.0/16`,
    gateway: '172.19.0.9',
    device: 'eth1',
  }));
  const search = Array.from({ length: 32 }, (_, index) => `namespace-${index}.svc.cluster.example`);
  const given = { ...snapshot, routes: [...snapshot.routes, ...many], resolver: { ...snapshot.resolver, search } };
  const [first, second] = planFor({ snapshot: given, ask: askFor(mode) }).nics;
  expect(first?.losses).toEqual([expect.stringMatching(/search domains of eth0: .*namespace-31\.svc/)]);
  expect(second?.losses).toEqual([
    expect.stringMatching(/routes of eth1: .*10\.59\.0\.0\/16 via /),
    expect.stringMatching(/search domains of eth1: /),
  ]);
  expect(second?.losses.join()).not.toContain(option(second, 'classless-static-route')[0]?.[0]);
});

test('DNSMASQ_OPTS reach every DHCP server, as words', () => {
  const options = { dnsmasqOptions: ['--log-dhcp', '--txt-record=a,two words'] };
  for (const nic of nicsOf('docker-two-networks', 'nat', { options })) {
    expect(dhcp(nic)).toEqual(expect.arrayContaining(options.dnsmasqOptions));
  }
});

test("B8: nothing of the container's is shadowed: no address or route outside the inner networks is added", () => {
  for (const name of RECORDED.filter((each) => !each.startsWith('host-'))) {
    const nics = nicsOf(name, 'nat');
    const added = nics.flatMap(lines).filter((line) => / (address|route) (add|replace)/.test(line));
    expect(added.length).toBeGreaterThan(0);
    for (const line of added)
      expect(line).toMatch(/^ip address add (192\.168\.10[0-2]\.1\/24|fd76:6d64:c0a8:6[4-6]::1\/64) dev vm\d/);
    expect(nics.flatMap(lines).filter((line) => /\beth\d|\btap\d/.test(line) && !line.includes('iifname'))).toEqual([]);
  }
});

test('R1: every prefix length of the container gives the same guest', () => {
  const snapshot = recorded('docker-bridge');
  const [link] = snapshot.links;
  for (let prefix = 8; prefix <= 32; prefix += 1) {
    const addresses = [{ family: 4, address: '10.77.3.9', prefix, dynamic: false }] as const;
    const given = { ...snapshot, links: link ? [{ ...link, addresses }] : [], routes: [] };
    const [nic] = planFor({ snapshot: given, ask: askFor('nat') }).nics;
    expect(nic).toMatchObject({ addresses: ['10.77.3.9'], guestAddress: '192.168.100.100' });
    expect(lines(nic)).toContain('    ip daddr { 10.77.3.9 } dnat to 192.168.100.100');
  }
});

test('R2: several addresses on one interface all lead to the guest, whose lease is one', () => {
  const [nic, ...more] = nicsOf('several-addresses', 'nat');
  expect(more).toEqual([]);
  expect(nic?.addresses).toEqual(['10.0.0.10', '192.168.100.7', '10.0.0.1']);
  expect(lines(nic)).toContain('    ip daddr { 10.0.0.10, 192.168.100.7, 10.0.0.1 } dnat to 192.168.101.100');
  expect(dhcp(nic).filter((word) => word.startsWith('--dhcp-range='))).toEqual([
    '--dhcp-range=192.168.101.100,192.168.101.100,255.255.255.0,infinite',
  ]);
});

test('V12: Podman’s route with a metric gives the plan that Docker’s gives', () => {
  const [podman] = nicsOf('podman-netavark', 'nat');
  const [docker] = nicsOf('docker-bridge', 'nat');
  const plain = (nic: NicPlan | undefined) =>
    lines(nic).map((line) => line.replaceAll(/10\.89\.0\.2|172\.17\.0\.2/g, 'X'));
  expect(podman?.link).toBe('eth0');
  expect(plain(podman)).toEqual(plain(docker));
});

test('V16: an inner network that is taken moves, is announced, and MTU and IPv6 reach the guest', () => {
  const { nics, losses } = planFor({ snapshot: recorded('several-addresses'), ask: askFor('nat') });
  expect(losses).toEqual([expect.stringContaining('192.168.101.0/24')]);
  expect(nics[0]).toMatchObject({ guestAddress: '192.168.101.100', interface: { mtu: 9000 } });
  const [dual] = nicsOf('docker-dual-stack', 'nat');
  expect(dual?.addresses).toEqual(['172.21.0.2', 'fd00:21::2']);
  expect(lines(dual)).toContain('    ip6 daddr { fd00:21::2 } dnat to fd76:6d64:c0a8:64::100');
  expect(dual?.guest).toMatchObject({ dhcp6: true, acceptRa: true });
});

test('V16: what a killed life has left takes no network away from the next one; in the host it may be of another', () => {
  const snapshot = recorded('docker-bridge');
  const [link] = snapshot.links;
  if (!link) expect.fail();
  const left = (name: string, address: string, prefix: number) => ({
    ...link,
    name,
    addresses: [{ family: 4 as const, address, prefix, dynamic: false }],
  });
  const inner = left('vm0', '192.168.100.1', 24);
  const leg = left('vbr0', '169.254.77.1', 32);
  const given = { ...snapshot, links: [...snapshot.links, inner, leg] };
  for (const mode of ['nat', 'bridge', 'macvtap'] as const) {
    const next = planFor({ snapshot: given, ask: askFor(mode) });
    expect(next).toEqual(planFor({ snapshot, ask: askFor(mode) }));
  }
  const ask = { kind: 'each', modes: [{ link: 'eth0', mode: 'nat' }] } as const;
  const { losses } = planFor({ snapshot: given, ask, means: { hostNetwork: true } });
  expect(losses).toEqual([expect.stringContaining('192.168.101.0/24')]);
});

test('V16: IPv6 that the container does not forward is named, with the sysctl, and IPv4 goes on', () => {
  const [nic] = nicsOf('docker-dual-stack', 'nat', { means: { ipv6Forwarding: false } });
  expect(nic?.losses).toEqual([expect.stringContaining('--sysctl net.ipv6.conf.all.forwarding=1')]);
  expect(nic?.addresses).toEqual(['172.21.0.2']);
  expect(JSON.stringify(nic?.commands)).not.toContain('ip6');
});

test('B9: names are told by the NIC; in the namespace of the host, where others are, by the MAC as well', () => {
  const ask = { kind: 'each', modes: [{ link: 'eth0', mode: 'nat' }] } as const;
  const [nic] = nicsOf('docker-bridge', 'nat', { ask, means: { hostNetwork: true } });
  expect(nic?.interface).toMatchObject({ device: 'vm0-000000' });
  expect(lines(nic)).toContain('table ip virtainers0-000000 {');
  expect(nic?.leftovers.map(({ args }) => args.at(-1))).toEqual(['vm0-000000', 'virtainers0-000000']);
});
