import { overlaps, type Prefix, parsePrefix } from '@virtainers/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { recorded } from '../testing/networks.ts';
import { chooseInners } from './inner.ts';
import type { Inner } from './mode.ts';
import type { NetworkSnapshot, Route } from './snapshot.ts';

const ipv4Of = ({ networks }: ReturnType<typeof chooseInners>) => networks.map(({ ipv4 }) => ipv4);

function routed(...destinations: string[]): NetworkSnapshot {
  const route = (destination: string): Route => ({
    family: destination.includes(':') ? 6 : 4,
    destination,
    gateway: undefined,
    device: 'eth0',
    metric: 0,
    protocol: 'boot',
  });
  return { links: [], routes: destinations.map(route), resolver: { nameservers: [], search: [] }, hostname: 'box' };
}

test('the wished one, and those after it for more NICs; the IPv6 ones follow', () => {
  expect(chooseInners('192.168.100', 2, routed())).toEqual({
    networks: [
      { ipv4: '192.168.100', ipv6: 'fd76:6d64:c0a8:64::' },
      { ipv4: '192.168.101', ipv6: 'fd76:6d64:c0a8:65::' },
    ],
    losses: [],
  });
  expect(ipv4Of(chooseInners('10.9.8', 2, routed()))).toEqual(['10.9.8', '192.168.8']);
  expect(ipv4Of(chooseInners('192.168.255', 2, routed()))).toEqual(['192.168.255', '192.168.0']);
});

test("V16: one that overlaps the container's networks moves, and says so", () => {
  const { networks, losses } = chooseInners('192.168.100', 1, recorded('several-addresses'));
  expect(networks).toMatchObject([{ ipv4: '192.168.101' }]);
  expect(losses).toEqual([
    'the inner network is 192.168.101.0/24: 192.168.100.0/24 overlaps a network of the container',
  ]);
});

test.for<[string, string]>([
  ['192.168.100.0/24', '192.168.101'],
  ['192.168.100.77/32', '192.168.101'],
  ['192.168.100.5', '192.168.101'],
  ['192.168.96.0/20', '192.168.112'],
  ['192.168.0.0/16', '10.200.0'],
  ['192.0.0.0/8', '10.200.0'],
  ['192.168.101.0/24', '192.168.100'],
  ['fd76:6d64:c0a8:64::/64', '192.168.101'],
  ['fd00::/8', '192.168.100'],
  ['0.0.0.0/0', '192.168.100'],
])('V16: beside %s it is %s', ([used, expected]) => {
  expect(chooseInners('192.168.100', 1, routed(used)).networks[0].ipv4).toBe(expected);
});

test('V16: a gateway and a resolver on no network of the container count as well', () => {
  const snapshot = { ...routed(), resolver: { nameservers: ['192.168.100.53'], search: [] } };
  expect(chooseInners('192.168.100', 1, snapshot).networks[0].ipv4).toBe('192.168.101');
  const routes = [{ ...(routed('default').routes[0] as Route), gateway: '192.168.100.1' }];
  expect(chooseInners('192.168.100', 1, { ...snapshot, routes }).networks[0].ipv4).toBe('192.168.101');
});

test('whoever is in every private network (a VPN) still gets one a NIC, no two the same', () => {
  const { networks } = chooseInners('192.168.100', 3, routed('0.0.0.0/1', '128.0.0.0/1'));
  expect(networks.map(({ ipv4 }) => ipv4)).toEqual(['192.168.100', '192.168.101', '192.168.102']);
});

const prefixes = fc.array(
  fc.oneof(
    fc.tuple(fc.ipV4(), fc.integer({ min: 18, max: 32 })),
    fc.tuple(fc.constantFrom('192.168.100.0', '192.168.101.7', '192.168.127.255'), fc.integer({ min: 18, max: 32 })),
    fc.tuple(
      fc.constantFrom('fd76:6d64:c0a8:64::', 'fd76:6d64:ac8:2::9', 'fd00::1'),
      fc.integer({ min: 58, max: 128 }),
    ),
  ),
  { maxLength: 6 },
);
const cidr = fc.tuple(fc.integer({ min: 1, max: 223 }), fc.nat(255), fc.nat(255)).map((bytes) => bytes.join('.'));

test('V16: they overlap nothing that is used, and not each other', () => {
  const own = ({ ipv4, ipv6 }: Inner) => [`${ipv4}.0/24`, `${ipv6}/64`].flatMap((text) => parsePrefix(text) ?? []);
  fc.assert(
    fc.property(
      fc.oneof(cidr, fc.constant('192.168.100')),
      fc.integer({ min: 0, max: 12 }),
      prefixes,
      (wish, count, used) => {
        const texts = used.map((words) => words.join('/'));
        const { networks, losses } = chooseInners(wish, count, routed(...texts));
        expect(networks).toHaveLength(Math.max(count, 1));
        const mine = networks.map(own);
        const theirs = texts.flatMap((text): Prefix[] => [parsePrefix(text) ?? expect.fail(text)]);
        expect(mine.flat().some((each) => theirs.some((other) => overlaps(each, other)))).toBe(false);
        expect(
          mine.flatMap((each, index) =>
            mine
              .slice(index + 1)
              .flat()
              .filter((other) => each.some((one) => overlaps(one, other))),
          ),
        ).toEqual([]);
        expect(losses).toHaveLength(networks[0].ipv4 === wish ? 0 : 1);
      },
    ),
  );
});
