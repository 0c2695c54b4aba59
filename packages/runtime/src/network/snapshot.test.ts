import { expect, test } from 'vitest';
import { parseLinks, parseResolver, parseRoutes, primaryLink } from './snapshot.ts';

/** `ip -json address show` in a Podman container with netavark; `ip` prints empty objects for what it filters. */
const ADDRESSES = JSON.stringify([
  {},
  {
    ifindex: 1,
    ifname: 'lo',
    link_type: 'loopback',
    address: '00:00:00:00:00:00',
    mtu: 65536,
    addr_info: [{ family: 'inet', local: '127.0.0.1', prefixlen: 8, scope: 'host' }],
  },
  {
    ifindex: 2,
    ifname: 'eth0',
    link_type: 'ether',
    address: '2e:01:02:03:04:05',
    mtu: 1400,
    addr_info: [
      { family: 'inet', local: '10.88.0.5', prefixlen: 16, scope: 'global' },
      { family: 'inet6', local: 'fe80::2c01:2ff:fe03:405', prefixlen: 64, scope: 'link' },
    ],
  },
]);

test('V12: the device of the default route is read from JSON, whatever follows it', () => {
  const routes = parseRoutes(
    '[{"dst":"default","gateway":"10.88.0.1","dev":"eth0","protocol":"static","metric":100,"flags":[]},{"dst":"10.88.0.0/16","dev":"eth0","scope":"link"}]',
  );
  expect(routes[0]).toEqual({ destination: 'default', gateway: '10.88.0.1', device: 'eth0' });
  const links = parseLinks(ADDRESSES);
  expect(links).toEqual([
    { name: 'eth0', mac: '2e:01:02:03:04:05', mtu: 1400, addresses: [{ family: 4, address: '10.88.0.5', prefix: 16 }] },
  ]);
  const resolver = { nameservers: [], search: [] };
  expect(primaryLink({ links, routes, resolver, hostname: 'h' })?.name).toBe('eth0');
});

test('V12: with several default routes the first one counts, and a link without IPv4 never does', () => {
  const link = (name: string, address?: string) => ({
    name,
    mac: '',
    mtu: 1500,
    addresses: address ? [{ family: 4 as const, address, prefix: 24 }] : [],
  });
  const route = (device: string) => ({ destination: 'default', gateway: undefined, device });
  const resolver = { nameservers: [], search: [] };
  const links = [link('eth0', '10.0.0.2'), link('eth1', '10.0.1.2'), link('eth2')];
  expect(primaryLink({ links, routes: [route('eth1'), route('eth0')], resolver, hostname: 'h' })?.name).toBe('eth1');
  expect(primaryLink({ links, routes: [route('eth2')], resolver, hostname: 'h' })?.name).toBe('eth0');
  expect(primaryLink({ links: [], routes: [], resolver, hostname: 'h' })).toBeUndefined();
});

test('resolv.conf: comments go, the last search wins, a lone dot is none', () => {
  const text =
    '# made by an engine\nnameserver 127.0.0.11 # inner\nsearch old.example\nsearch a.example b.example .\noptions ndots:0\n;nameserver 1.1.1.1\n';
  expect(parseResolver(text)).toEqual({ nameservers: ['127.0.0.11'], search: ['a.example', 'b.example'] });
  expect(parseResolver('')).toEqual({ nameservers: [], search: [] });
});
