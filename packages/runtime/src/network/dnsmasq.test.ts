import { bounds, formatAddress, parsePrefix } from '@virtainers/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DhcpOffer, dnsmasq, netmask, untold } from './dnsmasq.ts';

const offer: DhcpOffer = {
  device: 'vm0',
  mac: '52:54:00:00:00:01',
  address: '10.0.0.3',
  prefix: 24,
  hostname: 'box',
  mtu: 1450,
  router: '10.0.0.1',
  routes: [],
  nameservers: undefined,
  search: [],
  ipv6: undefined,
  extra: [],
  runFolder: '/run/virtainers',
};

const args = (change: Partial<DhcpOffer>) => dnsmasq({ ...offer, ...change }).args;
const options = (change: Partial<DhcpOffer>) =>
  args(change).flatMap((word) => (word.startsWith('--dhcp-option=') ? [word.slice('--dhcp-option='.length)] : []));

test('one lease, for one MAC, on one device', () => {
  expect(dnsmasq(offer)).toEqual({
    file: 'dnsmasq',
    args: [
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--log-facility=-',
      '--pid-file=/run/virtainers/dnsmasq-vm0.pid',
      '--dhcp-leasefile=/run/virtainers/dnsmasq-vm0.leases',
      '--interface=vm0',
      '--except-interface=lo',
      '--bind-interfaces',
      '--strict-order',
      '--no-ping',
      '--dhcp-authoritative',
      '--dhcp-range=10.0.0.3,10.0.0.3,255.255.255.0,infinite',
      '--dhcp-host=52:54:00:00:00:01,10.0.0.3,box,infinite',
      '--dhcp-ignore=tag:!known',
      '--dhcp-option=option:mtu,1450',
      '--dhcp-option=option:router,10.0.0.1',
    ],
  });
});

test('R7: all nameservers are joined, however many there are', () => {
  expect(options({ nameservers: ['10.0.0.53', '10.0.0.54', '10.0.0.55'] })).toContain(
    'option:dns-server,10.0.0.53,10.0.0.54,10.0.0.55',
  );
  expect(options({ nameservers: undefined }).join()).not.toContain('dns-server');
});

test('B4: a NIC without the default route is offered none, and none of dnsmasq’s own', () => {
  expect(options({ router: undefined })).toContain('option:router');
  expect(options({ router: undefined, routes: [{ to: '10.7.0.0/16', via: '10.0.0.9' }] })).toContain(
    'option:classless-static-route,10.7.0.0/16,10.0.0.9',
  );
});

test('B6: an on-link gateway comes before the default route that needs it', () => {
  const routes = [{ to: '169.254.1.1/32', via: '0.0.0.0' }];
  const said = options({ prefix: 32, router: '169.254.1.1', routes });
  expect(said).toContain('option:router,169.254.1.1');
  expect(said).toContain('option:classless-static-route,169.254.1.1/32,0.0.0.0,0.0.0.0/0,169.254.1.1');
});

test('search domains, and options of the user before ours', () => {
  const words = args({ search: ['a.example', 'b.example'], extra: ['--log-dhcp', '--dhcp-option=3,1.2.3.4'] });
  expect(words.slice(0, 2)).toEqual(['--log-dhcp', '--dhcp-option=3,1.2.3.4']);
  expect(words).toContain('--dhcp-option=option:domain-search,a.example,b.example');
});

test('IPv6: one managed address; the advertisement leads out where the NIC has the default route, and not elsewhere', () => {
  expect(args({ ipv6: { address: 'fd00::100' } })).toEqual(
    expect.arrayContaining([
      '--enable-ra',
      '--ra-param=vm0,mtu:1450,0',
      '--dhcp-range=fd00::100,fd00::100,64,infinite',
    ]),
  );
  expect(args({ ipv6: { address: 'fd00::100' }, router: undefined })).toContain('--ra-param=vm0,mtu:1450,0,0');
});

test.for([
  ['box', 'box,'],
  ['box_1.lan.example', 'box_1.lan.example,'],
  ['7e', '7e,'],
  // dnsmasq would serve nobody, take it for a lease time, or end itself.
  ['ignore', ''],
  ['infinite', ''],
  ['1234567890123', ''],
  ['12d', ''],
  ['_box', ''],
  ['-x', ''],
  ['bücher', ''],
  ['a,b', ''],
  ['a..b', ''],
  ['', ''],
  ['x'.repeat(64), ''],
] as const)('the guest is not without a lease for being called %j', ([hostname, word]) => {
  expect(args({ hostname })).toContain(`--dhcp-host=52:54:00:00:00:01,10.0.0.3,${word}infinite`);
});

test('an option holds 255 bytes: what is too much is left out, the default route never', () => {
  const routes = Array.from({ length: 100 }, (_, index) => ({ to: `10.${index}.0.0/16`, via: '10.0.0.9' }));
  const said =
    options({ routes })
      .find((option) => option.startsWith('option:classless'))
      ?.split(',') ?? [];
  expect(said).toContain('0.0.0.0/0');
  expect((said.length - 1) / 2).toBe(1 + Math.floor(250 / 7));
  const search = Array.from({ length: 32 }, (_, index) => `namespace-${index}.svc.cluster.example`);
  const domains = options({ search })
    .find((option) => option.startsWith('option:domain-search'))
    ?.split(',')
    .slice(1);
  expect(domains).toEqual(search.slice(0, domains?.length));
  expect(domains?.join('..').length).toBeLessThan(255);
  const nameservers = Array.from({ length: 70 }, (_, index) => `10.0.0.${index}`);
  expect(options({ nameservers })).toContain(`option:dns-server,${nameservers.slice(0, 63).join(',')}`);
});

test('what is left out is said, each by its name; what fits is not', () => {
  expect(untold('eth0', offer)).toEqual([]);
  const routes = Array.from({ length: 36 }, (_, index) => ({ to: `10.${index}.0.0/16`, via: '10.0.0.9' }));
  expect(untold('eth0', { ...offer, routes: routes.slice(0, 35) })).toEqual([]);
  expect(untold('eth0', { ...offer, routes })).toEqual([
    expect.stringMatching(/^the guest is not told these routes of eth0: 10\.35\.0\.0\/16 via 10\.0\.0\.9: /),
  ]);
  const search = ['a'.repeat(250), 'b.example', 'c.example'];
  expect(untold('eth1', { ...offer, search })).toEqual([
    expect.stringContaining('these search domains of eth1: b.example, c.example: '),
  ]);
  const nameservers = Array.from({ length: 64 }, (_, index) => `10.0.0.${index}`);
  expect(untold('eth1', { ...offer, nameservers })).toEqual([
    expect.stringContaining('DNS servers of eth1: 10.0.0.63: '),
  ]);
});

test('R1: the netmask of every length', () => {
  const lengths = Array.from({ length: 33 }, (_, length) => length);
  for (const length of lengths) {
    const network = parsePrefix(`255.255.255.255/${length}`) ?? expect.fail();
    expect(netmask(length)).toBe(formatAddress(bounds(network).first));
  }
  expect([0, 8, 20, 24, 31, 32].map(netmask)).toEqual([
    '0.0.0.0',
    '255.0.0.0',
    '255.255.240.0',
    '255.255.255.0',
    '255.255.255.254',
    '255.255.255.255',
  ]);
});

test('whatever the host is called, the offer stays one word an option', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (hostname) => {
      const [host] = args({ hostname }).filter((word) => word.startsWith('--dhcp-host='));
      expect(host).toMatch(/^--dhcp-host=52:54:00:00:00:01,10\.0\.0\.3,([\w.-]+,)?infinite$/);
    }),
  );
});
