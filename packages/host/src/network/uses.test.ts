import { contains, formatPrefix, overlaps, prefixOf } from '@virtainers/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hostNetworks, prefix } from '../testing/networks.ts';
import { collectUses, describeOverlap, findOverlaps, freeSubnet, type Use } from './uses.ts';

const networks = [
  { name: 'bridge', driver: 'bridge', subnets: [{ prefix: prefix('172.17.0.0/16') }] },
  { name: 'old', driver: 'bridge', subnets: [{ prefix: prefix('10.5.0.0/16') }, { prefix: prefix('fd05::/64') }] },
];

test.each([
  ['172.17.5.0/24', "172.17.5.0/24 overlaps 172.17.0.0/16: docker's network bridge"],
  ['10.5.5.0/24', "10.5.5.0/24 overlaps 10.5.0.0/16: docker's network old"],
  ['fd05::/80', "fd05::/80 overlaps fd05::/64: docker's network old"],
  ['192.168.0.0/16', "192.168.0.0/16 overlaps 192.168.2.0/24: this machine's eth0, which has 192.168.2.160"],
  ['fd42::/120', "fd42::/120 overlaps fd42::/64: this machine's eth0, which has fd42::160"],
  ['10.99.5.0/24', '10.99.5.0/24 overlaps 10.99.0.0/16: a route of this machine via 192.168.2.5 on eth0'],
  ['10.98.0.0/24', '10.98.0.0/24 overlaps 10.98.0.1/32: a route of this machine'],
  ['127.1.0.0/16', "127.1.0.0/16 overlaps 127.0.0.0/8: this machine's lo, which has 127.0.0.1"],
])('%s', async (text, sentence) => {
  const uses = collectUses([{ engine: 'docker', networks }], await hostNetworks());
  const subnet = prefix(text);
  expect(findOverlaps(subnet, uses).map((each) => describeOverlap(subnet, each))).toEqual([sentence]);
});

test('the default route is in nobody’s way, and what is free overlaps nothing', async () => {
  const uses = collectUses([{ engine: 'docker', networks }], await hostNetworks());
  expect(findOverlaps(prefix('172.28.0.0/24'), uses)).toEqual([]);
});

const use = (text: string): Use => ({ prefix: prefix(text), what: text });

test('free subnets are looked for in one order', () => {
  expect(freeSubnet([])).toEqual(prefix('172.28.0.0/24'));
  expect(freeSubnet([use('172.28.0.9'), use('172.28.1.0/24')])).toEqual(prefix('172.28.2.0/24'));
  expect(freeSubnet([use('172.16.0.0/12')])).toEqual(prefix('10.0.0.0/24'));
  expect(freeSubnet([use('172.16.0.0/12'), use('10.0.0.0/8')])).toEqual(prefix('192.168.0.0/24'));
  expect(freeSubnet([use('128.0.0.0/1'), use('10.0.0.0/8')])).toBeUndefined();
});

test('whatever is in use, what is chosen is private and overlaps none of it', () => {
  const crowded = fc
    .tuple(fc.constantFrom('172.28.0.0', '10.0.0.0', '192.168.0.0'), fc.integer({ min: 0, max: 2 ** 17 }))
    .chain(([room, jump]) =>
      fc.integer({ min: 9, max: 32 }).map((length): Use => {
        const value = prefix(room).base + BigInt(jump);
        return { prefix: prefixOf({ family: 4, value }, length), what: '' };
      }),
    );
  const rooms = ['172.28.0.0/16', '10.0.0.0/8', '192.168.0.0/16'].map(prefix);
  fc.assert(
    fc.property(fc.array(crowded, { maxLength: 30 }), (uses) => {
      const chosen = freeSubnet(uses) ?? expect.fail(uses.map((each) => formatPrefix(each.prefix)).join());
      expect(uses.some((each) => overlaps(each.prefix, chosen))).toBe(false);
      expect(rooms.some((room) => contains(room, chosen))).toBe(true);
      expect(freeSubnet([...uses].reverse())).toEqual(chosen);
    }),
  );
});
