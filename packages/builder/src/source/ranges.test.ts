import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addRange, clipRanges, firstGap, prefixOf, type Range, type Ranges, sizeOfRanges } from './ranges.ts';

const SIZE = 40;
const ranges = fc.array(fc.tuple(fc.nat(SIZE), fc.nat(SIZE)));

/** The same, one flag for each byte. */
function bytesOf(all: readonly Range[]): boolean[] {
  return Array.from({ length: SIZE }, (_, byte) => all.some(([start, end]) => start <= byte && byte < end));
}

test('stretches in any order are the bytes that they are of, in order and apart', () => {
  fc.assert(
    fc.property(ranges, (all) => {
      const joined = all.reduce<Ranges>(addRange, []);
      expect(bytesOf(joined)).toEqual(bytesOf(all));
      expect(sizeOfRanges(joined)).toBe(bytesOf(all).filter(Boolean).length);
      joined.slice(1).forEach(([start], index) => {
        expect(start).toBeGreaterThan(joined[index]?.[1] ?? 0);
      });
    }),
  );
});

test('filling the first gap again and again fills the file, and no byte twice', () => {
  fc.assert(
    fc.property(ranges, fc.integer({ min: 1, max: SIZE }), (all, most) => {
      let here = clipRanges(all.reduce<Ranges>(addRange, []), SIZE);
      for (let gap = firstGap(here, SIZE, most); gap; gap = firstGap(here, SIZE, most)) {
        const filled = addRange(here, gap);
        expect(gap[1] - gap[0]).toBeLessThanOrEqual(most);
        expect(sizeOfRanges(filled)).toBe(sizeOfRanges(here) + gap[1] - gap[0]);
        here = filled;
      }
      expect(prefixOf(here)).toBe(SIZE);
    }),
  );
});
