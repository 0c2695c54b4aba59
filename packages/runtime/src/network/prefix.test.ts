import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseInner, formatIpv4, overlaps, parseIpv4, parsePrefix } from './prefix.ts';

const prefix = (text: string) => parsePrefix(text) ?? expect.fail(text);

test.for([
  ['10.0.0.0/8', '10.255.0.0/16', true],
  ['192.168.100.0/24', '192.168.0.0/16', true],
  ['192.168.100.0/24', '192.168.101.0/24', false],
  ['0.0.0.0/0', '1.2.3.4', true],
  ['10.0.0.1/32', '10.0.0.10/32', false],
] as const)('%s and %s overlap: %s', ([a, b, expected]) => {
  expect(overlaps(prefix(a), prefix(b))).toBe(expected);
});

test('V16: the inner network moves out of the way of every network of the container', () => {
  expect(chooseInner('192.168.100', [])).toBe('192.168.100');
  expect(chooseInner('192.168.100', [prefix('192.168.100.7/24')])).toBe('192.168.101');
  expect(chooseInner('192.168.100', [prefix('192.168.0.0/16')])).toBe('10.200.0');
});

test('whatever is in use, the inner network overlaps none of it as long as one is free', () => {
  const used = fc.array(
    fc
      .tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 17, max: 32 }))
      .map(([base, length]) => `${formatIpv4(base)}/${length}`),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(used, fc.integer({ min: 0, max: 255 }), (texts, third) => {
      const prefixes = texts.map(prefix);
      const inner = prefix(`${chooseInner(`192.168.${third}`, prefixes)}.0/24`);
      expect(prefixes.some((each) => overlaps(each, inner))).toBe(false);
    }),
  );
});

test('addresses survive the round trip, and what is none is none', () => {
  fc.assert(fc.property(fc.ipV4(), (text) => formatIpv4(parseIpv4(text) ?? -1) === text));
  for (const text of ['1.2.3', '1.2.3.256', '1.2.3.4.5', 'a.b.c.d', '', '1.2.3.-4'])
    expect(parseIpv4(text)).toBeUndefined();
  for (const text of ['1.2.3.4/33', '1.2.3.4/x', '1.2.3.4/']) expect(parsePrefix(text)).toBeUndefined();
});
