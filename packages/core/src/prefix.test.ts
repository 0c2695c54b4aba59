import { BlockList } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type Address,
  bounds,
  contains,
  formatAddress,
  formatPrefix,
  overlaps,
  type Prefix,
  parseAddress,
  parsePrefix,
  prefixOf,
} from './prefix.ts';

const prefix = (text: string) => parsePrefix(text) ?? expect.fail(text);
const address = (text: string) => parseAddress(text) ?? expect.fail(text);

test.for<[string, string]>([
  ['10.1.2.3/8', '10.0.0.0/8'],
  ['1.2.3.4', '1.2.3.4/32'],
  ['255.255.255.255/0', '0.0.0.0/0'],
  ['192.168.2.230/27', '192.168.2.224/27'],
  ['FD00:0:0:1:0:0:0:1/64', 'fd00:0:0:1::/64'],
  ['::', '::/128'],
  ['::1', '::1/128'],
  ['fe80::1/10', 'fe80::/10'],
  ['2001:db8::1:0:0:1', '2001:db8::1:0:0:1/128'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7/128'],
  ['::ffff:10.1.2.3', '::ffff:a01:203/128'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0/128'],
])('%s is %s', ([text, expected]) => {
  expect(formatPrefix(prefix(text))).toBe(expected);
});

test.for([
  '',
  '/8',
  '1.2.3',
  '1.2.3.256',
  '01.2.3.4',
  '1.2.3.4.5',
  '1.2.3.4/33',
  '1.2.3.4/',
  '1.2.3.4/x',
  '1.2.3.4/8/8',
  '1.2.3.4/-1',
  '1.2.3.4/ 8',
  ' 1.2.3.4',
  '::1/129',
  ':::',
  '1::2::3',
  'fe80::1%eth0',
  'default',
])('%j is no prefix', (text) => {
  expect(parsePrefix(text)).toBeUndefined();
});

test.for([
  ['10.0.0.0/8', '10.255.0.0/16', true],
  ['192.168.100.0/24', '192.168.0.0/16', true],
  ['192.168.100.0/24', '192.168.101.0/24', false],
  ['0.0.0.0/0', '1.2.3.4', true],
  ['10.0.0.1/32', '10.0.0.10/32', false],
  ['fd00::/8', 'fd12:3456::/64', true],
  ['fd00::/64', 'fd00:0:0:1::/64', false],
  ['0.0.0.0/0', '::/0', false],
] as const)('%s and %s overlap: %s', ([a, b, expected]) => {
  expect(overlaps(prefix(a), prefix(b))).toBe(expected);
  expect(overlaps(prefix(b), prefix(a))).toBe(expected);
});

test('a prefix contains what is in it, itself included, and nothing wider', () => {
  const outer = prefix('192.168.2.224/27');
  for (const text of ['192.168.2.224/27', '192.168.2.240/28', '192.168.2.255']) {
    expect(contains(outer, prefix(text))).toBe(true);
  }
  for (const text of ['192.168.2.0/24', '192.168.2.223', '::']) expect(contains(outer, prefix(text))).toBe(false);
  expect(contains(outer, address('192.168.2.225'))).toBe(true);
  expect(contains(outer, address('192.168.2.1'))).toBe(false);
});

test('its first and its last address', () => {
  const { first, last } = bounds(prefix('192.168.2.224/27'));
  expect([first, last].map(formatAddress)).toEqual(['192.168.2.224', '192.168.2.255']);
});

const values = { 4: fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }), 6: fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }) };
const anyAddress = fc
  .constantFrom(4 as const, 6 as const)
  .chain((family) => values[family].map((value) => ({ family, value })));
const anyPrefix = anyAddress.chain((each) =>
  fc.integer({ min: 0, max: each.family === 4 ? 32 : 128 }).map((length) => prefixOf(each, length)),
);
/** Random prefixes hardly ever meet; these do. */
const neighbours = fc
  .tuple(anyPrefix, fc.integer({ min: 0, max: 128 }), fc.integer({ min: 0, max: 40 }))
  .map(([a, length, jump]): [Prefix, Prefix] => {
    const width = a.family === 4 ? 32 : 128;
    const value = (a.base + BigInt(jump)) % 2n ** BigInt(width);
    return [a, prefixOf({ family: a.family, value }, Math.min(length, width))];
  });

test('whatever is written reads back', () => {
  fc.assert(
    fc.property(anyPrefix, anyAddress, (one, other) => {
      expect(parsePrefix(formatPrefix(one))).toEqual(one);
      expect(parseAddress(formatAddress(other))).toEqual(other);
    }),
  );
});

test('every spelling of an address is understood, and written as browsers write it', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      expect(`[${formatAddress(address(text))}]`).toBe(new URL(`http://[${text}]/`).hostname);
    }),
  );
});

test('what overlaps and what contains, Node says so too', () => {
  const inside = (outer: Prefix, { family, value }: Address) => {
    const list = new BlockList();
    list.addSubnet(formatAddress(bounds(outer).first), outer.length, `ipv${family}`);
    return list.check(formatAddress({ family, value }), `ipv${family}`);
  };
  fc.assert(
    fc.property(neighbours, ([a, b]) => {
      const { first, last } = bounds(b);
      expect(contains(a, b)).toBe(inside(a, first) && inside(a, last));
      expect(overlaps(a, b)).toBe(inside(a, first) || inside(b, bounds(a).first));
    }),
  );
});
