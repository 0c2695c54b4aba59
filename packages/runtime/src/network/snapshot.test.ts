import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recorded } from '../testing/networks.ts';
import { allAddresses, defaultRoute, parseLinks, parseResolver, parseRoutes } from './snapshot.ts';

test('V12: a default route is read from JSON, whatever Podman writes behind its device', () => {
  const { links, routes } = recorded('podman-netavark');
  expect(routes[0]).toEqual({
    family: 4,
    destination: 'default',
    gateway: '10.89.0.1',
    device: 'eth0',
    metric: 100,
    protocol: 'static',
  });
  expect(links).toEqual([
    {
      name: 'eth0',
      mac: '4a:1d:8c:2e:5b:07',
      mtu: 1500,
      kind: 'veth',
      master: undefined,
      addresses: [{ family: 4, address: '10.89.0.2', prefix: 24, dynamic: false }],
    },
  ]);
});

test('V12: of several default routes the one that the kernel takes, of several ways the first', () => {
  expect(defaultRoute(recorded('several-default-routes'), 4)).toMatchObject({ device: 'eth1', gateway: '10.2.0.1' });
  const routes = parseRoutes(
    '[{"dst":"default","flags":[],"nexthops":[{"gateway":"10.0.0.1","dev":"eth0","weight":1,"flags":[]},{"gateway":"10.0.1.1","dev":"eth1","weight":1,"flags":[]}]}]',
    4,
  );
  expect(routes.map(({ device, gateway }) => [device, gateway])).toEqual([
    ['eth0', '10.0.0.1'],
    ['eth1', '10.0.1.1'],
  ]);
  expect(defaultRoute({ routes }, 4)?.device).toBe('eth0');
  expect(defaultRoute({ routes }, 6)).toBeUndefined();
  expect(defaultRoute(recorded('docker-internal'), 4)).toBeUndefined();
});

test("B6: Calico's on-link gateway is a route of its own", () => {
  expect(recorded('kubernetes-calico').routes).toMatchObject([
    { destination: 'default', gateway: '169.254.1.1', device: 'eth0' },
    { destination: '169.254.1.1', gateway: undefined, device: 'eth0' },
  ]);
});

test('an IPv4 route by a router of IPv6 is no route of the link, alone or as one way of several', () => {
  expect(recorded('ipv4-by-ipv6').routes).toMatchObject([
    { family: 4, destination: 'default', gateway: 'fe80::1' },
    { family: 4, destination: '10.3.0.0/24', gateway: undefined },
    { family: 4, destination: '10.8.0.0/16', gateway: '10.3.0.9' },
    { family: 4, destination: '10.9.0.0/16', gateway: 'fd00:3::9' },
    {},
    {},
    { family: 6, destination: 'default', gateway: 'fe80::1' },
  ]);
  const ways = [{ via: { family: 'inet6', host: 'fe80::1' }, dev: 'eth0' }];
  expect(parseRoutes(JSON.stringify([{ dst: 'default', nexthops: ways }]), 4)).toMatchObject([{ gateway: 'fe80::1' }]);
});

test('R2, B5: every address of an interface, in the order of ip', () => {
  expect(allAddresses(recorded('several-addresses'))).toEqual(['10.0.0.10', '192.168.100.7', '10.0.0.1']);
});

test('B4: interfaces come in the order of their names, not of their making', () => {
  expect(recorded('docker-two-networks').links.map(({ name }) => name)).toEqual(['eth0', 'eth1']);
  const made = (ifname: string) => ({ ifname, link_type: 'ether', address: '02:00:00:00:00:00' });
  const names = ['eth10', 'eth2', 'net1', 'eth0'].map(made);
  expect(parseLinks(JSON.stringify(names)).map(({ name }) => name)).toEqual(['eth0', 'eth2', 'eth10', 'net1']);
});

test('both families, link-local ones left out; what a router gave is marked', () => {
  expect(recorded('docker-dual-stack').links[0]?.addresses).toEqual([
    { family: 4, address: '172.21.0.2', prefix: 16, dynamic: false },
    { family: 6, address: 'fd00:21::2', prefix: 64, dynamic: false },
  ]);
  expect(recorded('ipv6-only').links[0]?.addresses.map(({ family }) => family)).toEqual([6]);
  const [tap] = recorded('podman-slirp4netns').links;
  expect(tap).toMatchObject({ name: 'tap0', kind: 'tun', mtu: 65520 });
  expect(tap?.addresses.map(({ dynamic }) => dynamic)).toEqual([false, true]);
});

test("bridges, their ports and the machine's own cards are told apart", () => {
  const kinds = recorded('host-with-bridge').links.map(({ name, kind, master }) => [name, kind, master]);
  expect(kinds).toEqual([
    ['br0', 'bridge', undefined],
    ['docker0', 'bridge', undefined],
    ['eth0', undefined, 'br0'],
    ['veth1a2b3c4', 'veth', 'docker0'],
  ]);
  expect(recorded('docker-macvlan').links.map(({ kind }) => kind)).toEqual(['macvlan']);
});

test('a container without a network has no links; what ip prints for nothing is nothing', () => {
  expect(recorded('docker-none')).toMatchObject({ links: [], routes: [] });
  expect(parseLinks('')).toEqual([]);
  expect(parseLinks('[{},{}]')).toEqual([]);
  expect(parseRoutes('[{"type":"unreachable","dst":"fd00::/8","dev":"lo"},{"dst":"10.0.0.0/8"}]', 6)).toEqual([]);
});

test('B7: of resolv.conf only addresses and names: no comments, no options, no lone dot', () => {
  const text =
    '# made by an engine\nnameserver 127.0.0.11 # inner\nnameserver dns.example\nsearch old.example\n' +
    'search a.example b.example . x,y\noptions ndots:0\n;nameserver 1.1.1.1\nnameserver fd00::1\n';
  expect(parseResolver(text)).toEqual({ nameservers: ['127.0.0.11', 'fd00::1'], search: ['a.example', 'b.example'] });
  expect(parseResolver('')).toEqual({ nameservers: [], search: [] });
  expect(recorded('kubernetes-flannel').resolver.search).toHaveLength(3);
});

test('no resolv.conf makes it throw, or gives a word that is more than one', () => {
  const line = fc.tuple(fc.constantFrom('nameserver ', 'search ', 'domain ', '', '#'), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const { nameservers, search } = parseResolver(lines.map((words) => words.join('')).join('\n'));
      for (const word of [...nameservers, ...search]) expect(word).toMatch(/^[\w.:%-]+$/);
    }),
  );
});
