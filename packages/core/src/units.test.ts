import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatSize, parseSize } from './units.ts';

test.for([
  ['1024', 'B', 1024],
  ['1024', 'M', 1024 * 2 ** 20],
  ['2G', 'M', 2 * 2 ** 30],
  ['512 MiB', 'B', 512 * 2 ** 20],
  ['10gb', 'B', 10 * 2 ** 30],
  ['1.5K', 'B', 1536],
  ['7B', 'M', 7],
] as const)('%s counted in %s is %d bytes', ([text, unit, bytes]) => {
  expect(parseSize(text, unit)).toBe(bytes);
});

test.for(['', 'lots', '-1', '1iB', '1e9', '0x10', '1 2', 'G', '9999999999999999999', '99999P', '1G; rm'])(
  '%j is no size',
  (text) => {
    expect(parseSize(text)).toBeUndefined();
  },
);

test('whatever it is given, it is a whole number of bytes or nothing', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const size = parseSize(text);
      expect(size === undefined || (Number.isSafeInteger(size) && size >= 0)).toBe(true);
    }),
  );
});

test('sizes for people read back to what they were, where no digit is lost', () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 0, max: 4 }));
  fc.assert(
    fc.property(sizes, ([count, power]) => parseSize(formatSize(count * 1024 ** power)) === count * 1024 ** power),
  );
});
