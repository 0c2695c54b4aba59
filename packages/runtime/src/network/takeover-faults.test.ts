import { expect, test } from 'vitest';
import { askFor, planFor, recorded, type Situation } from '../testing/networks.ts';
import type { NicPlan } from './mode.ts';

/** Faults of BBVA/kvm (B) and RancherVM (R), where the guest takes the container's place; both ways must be without. */

const MODES = ['bridge', 'macvtap'] as const;
type Takeover = (typeof MODES)[number];

const nicsOf = (name: string, mode: Takeover, more: Partial<Situation> = {}) =>
  planFor({ snapshot: recorded(name), ask: askFor(mode), ...more }).nics;
const dhcp = (nic: NicPlan | undefined) => nic?.daemons.flatMap(({ args }) => args) ?? [];
const starting = (nic: NicPlan | undefined, start: string) => dhcp(nic).filter((word) => word.startsWith(start));
const option = (nic: NicPlan | undefined, name: string) =>
  starting(nic, `--dhcp-option=option:${name}`).map((word) => word.split(',').slice(1));
const lines = (nic: NicPlan | undefined) =>
  nic?.commands.flatMap(({ file, args, input = '' }) => [
    [file, ...args].join(' '),
    ...input.split('\n').filter(Boolean),
  ]) ?? [];

test.for(MODES)('B4: %s: each NIC has its own server, mask and MAC; one offers a router', (mode) => {
  const nics = nicsOf('docker-two-networks', mode);
  expect(nics.map(({ link }) => link)).toEqual(['eth0', 'eth1']);
  expect(nics.map((nic) => nic.interface?.mac)).toEqual(['02:42:ac:12:00:02', '02:42:ac:13:00:02']);
  expect(nics.map((nic) => starting(nic, '--dhcp-range='))).toEqual([
    ['--dhcp-range=172.18.0.2,172.18.0.2,255.255.0.0,infinite'],
    ['--dhcp-range=172.19.0.2,172.19.0.2,255.255.240.0,infinite'],
  ]);
  expect(nics.map((nic) => option(nic, 'router'))).toEqual([[['172.18.0.1']], [[]]]);
  expect(option(nics[1], 'classless-static-route')[0]?.join()).toContain('10.7.0.0/16,172.19.0.9');
});

test.for(MODES)(
  'B5: %s: SELECTED_NETWORK is the very address, else the first in the network, else the first',
  (mode) => {
    const guest = (selectedNetwork: string | undefined) =>
      nicsOf('several-addresses', mode, { options: { selectedNetwork } })[0];
    const ranges: [string | undefined, string][] = [
      [undefined, '10.0.0.10'],
      ['10.0.0.1/32', '10.0.0.1'],
      ['10.0.0.10/32', '10.0.0.10'],
      ['10.0.0.1/24', '10.0.0.1'],
      ['10.0.0.0/24', '10.0.0.10'],
      ['192.168.0.0/16', '192.168.100.7'],
      ['0.0.0.0/0', '10.0.0.10'],
      ['172.16.0.0/12', '10.0.0.10'],
    ];
    for (const [selected, address] of ranges) {
      const nic = guest(selected);
      expect(starting(nic, '--dhcp-host=')).toEqual([expect.stringContaining(`,${address},`)]);
      expect(nic?.addresses[0]).toBe(address);
      expect([...(nic?.addresses ?? [])].sort()).toEqual(['10.0.0.1', '10.0.0.10', '192.168.100.7']);
    }
    expect(guest('172.16.0.0/12')?.losses.join()).toContain('SELECTED_NETWORK=172.16.0.0/12');
    expect(guest('192.168.0.0/16')?.losses.join()).not.toContain('SELECTED_NETWORK');
  },
);

test.for(MODES)("B5: %s: one NIC's choice is not another's", (mode) => {
  const options = { selectedNetwork: '172.18.0.0/16' };
  const ranges = nicsOf('docker-two-networks', mode, { options }).map((nic) => nic.addresses);
  expect(ranges).toEqual([['172.18.0.2'], ['172.19.0.2']]);
});

test.for(MODES)('B6: %s: of a /32 the guest is told the gateway that only the link leads to', (mode) => {
  const [nic] = nicsOf('kubernetes-calico', mode);
  expect(starting(nic, '--dhcp-range=')).toEqual([
    '--dhcp-range=192.168.37.201,192.168.37.201,255.255.255.255,infinite',
  ]);
  const routes = option(nic, 'classless-static-route')[0] ?? [];
  expect(routes.slice(-4)).toEqual(['169.254.1.1/32', '0.0.0.0', '0.0.0.0/0', '169.254.1.1']);
  expect(option(nic, 'mtu')).toEqual([['1480']]);
});

test.for(MODES)('B7: %s: Docker’s 127.0.0.11 is answered by us, anybody else’s server asked itself', (mode) => {
  const [docker] = nicsOf('docker-internal', mode);
  expect(JSON.stringify(docker)).not.toContain('127.0.0.11');
  expect(option(docker, 'dns-server')).toEqual([[expect.stringMatching(/^169\.254\.77\.\d+$/)]]);
  expect(dhcp(docker)).not.toContain('--port=0');
  const [podman] = nicsOf('podman-netavark', mode);
  expect(option(podman, 'dns-server')).toEqual([['10.89.0.1']]);
  expect(dhcp(podman)).toContain('--port=0');
});

test.for(MODES)('B7, R7: %s: all nameservers, those of IPv6 by another way', (mode) => {
  expect(option(nicsOf('podman-cni', mode)[0], 'dns-server')).toEqual([['192.168.1.1', '192.168.1.2', '192.168.1.3']]);
  const [several] = nicsOf('several-addresses', mode, { options: { dnsServers: ['9.9.9.9'] } });
  expect(option(several, 'dns-server')).toEqual([['9.9.9.9', '10.0.0.53']]);
  expect(several?.guest?.nameservers).toEqual(['fd00::53']);
});

test.for(MODES)('B8, R1: %s: for every prefix length the guest’s mask, and one link-local address of ours', (mode) => {
  const snapshot = recorded('docker-bridge');
  const [link] = snapshot.links;
  for (let prefix = 8; prefix <= 32; prefix += 1) {
    const addresses = [{ family: 4, address: '192.168.251.111', prefix, dynamic: false }] as const;
    const given = { ...snapshot, links: link ? [{ ...link, addresses }] : [], routes: [] };
    const [nic] = planFor({ snapshot: given, ask: askFor(mode) }).nics;
    const mask = new Array(4).fill(0).map((_, byte) => 256 - 2 ** (8 - Math.min(8, Math.max(0, prefix - byte * 8))));
    expect(starting(nic, '--dhcp-range=')).toEqual([
      `--dhcp-range=192.168.251.111,192.168.251.111,${mask.join('.')},infinite`,
    ]);
    const added = lines(nic).filter((line) => line.startsWith('ip address add '));
    expect(added).toEqual([expect.stringMatching(/^ip address add 169\.254\.77\.1\/32 dev v/)]);
  }
});

test.for(MODES)('R2: %s: further addresses reach the guest beside the one of DHCP', (mode) => {
  const [nic, ...more] = nicsOf('several-addresses', mode);
  expect(more).toEqual([]);
  expect(starting(nic, '--dhcp-range=')).toHaveLength(1);
  expect(nic?.guest?.addresses).toEqual(['192.168.100.7/26', '10.0.0.1/24']);
});

test.for(MODES)(
  'R7: %s: what may fail is known, the device there before its server, nothing is left when it is undone',
  (mode) => {
    const [nic] = nicsOf('docker-bridge', mode);
    const [interfaceOf = ''] = starting(nic, '--interface=');
    const device = interfaceOf.split('=')[1] ?? expect.fail();
    expect(lines(nic).some((line) => line.startsWith(`ip link add name ${device} `))).toBe(true);
    expect(lines(nic).at(-1)).toContain(`dev ${device}`);
    const undone = nic?.commands.flatMap(({ undo }) => (undo ? [undo] : [])) ?? [];
    const restored = undone.find(({ args }) => args.includes('-batch'))?.input?.split('\n');
    expect(restored).toEqual([
      'link set dev eth0 nomaster down',
      'link set dev eth0 address 02:42:ac:11:00:02',
      'link set dev eth0 up',
      'address add 172.17.0.2/16 dev eth0 broadcast +',
      'route add 0.0.0.0/0 via 172.17.0.1 dev eth0 metric 0 protocol boot',
      '',
    ]);
  },
);

test.for(MODES)('V12: %s: Podman’s metric and protocol come back as they were', (mode) => {
  const [nic] = nicsOf('podman-netavark', mode);
  const batch = nic?.commands.flatMap(({ undo }) => (undo && 'input' in undo ? [undo.input] : [])).join();
  expect(batch).toContain('route add 0.0.0.0/0 via 10.89.0.1 dev eth0 metric 100 protocol static\n');
  expect(option(nic, 'router')).toEqual([['10.89.0.1']]);
});

test.for(MODES)('%s: a router of IPv6 for IPv4 comes back; the guest is told of none, and the log why', (mode) => {
  const [nic] = nicsOf('ipv4-by-ipv6', mode);
  const batch = nic?.commands.flatMap(({ undo }) => (undo && 'input' in undo ? [undo.input] : [])).join();
  expect(batch).toContain('route add 0.0.0.0/0 via inet6 fe80::1 dev eth0 metric 0 protocol boot\n');
  expect(batch).toContain('route add 10.9.0.0/16 via inet6 fd00:3::9 dev eth0 metric 0 protocol boot\n');
  expect(batch).toContain('route add ::/0 via fe80::1 dev eth0 ');
  expect(option(nic, 'router')).toEqual([[]]);
  expect(option(nic, 'classless-static-route')).toEqual([['169.254.77.1/32', '0.0.0.0', '10.8.0.0/16', '10.3.0.9']]);
  expect(nic?.losses).toEqual([expect.stringContaining('0.0.0.0/0 via fe80::1, 10.9.0.0/16 via fd00:3::9: ')]);
  expect(nic?.guest?.routes).toEqual([{ to: '::/0', via: 'fe80::1', onLink: false }]);
  expect(nicsOf('ipv4-by-ipv6', mode, { options: { dhcp: false } })[0]?.losses).toEqual([]);
});

test.for(MODES)('%s: NO_DHCP leaves no server and no address of ours behind', (mode) => {
  const [nic] = nicsOf('docker-bridge', mode, { options: { dhcp: false } });
  expect(nic).toMatchObject({ daemons: [], addresses: [], guestAddress: undefined });
  expect(lines(nic).filter((line) => /^ip (address|route) add/.test(line))).toEqual([]);
});
