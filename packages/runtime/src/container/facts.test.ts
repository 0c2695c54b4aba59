import { expect, test } from 'vitest';
import { parseCapabilities, parseMemoryLimit } from './facts.ts';

test("Docker's default capabilities, NET_ADMIN added, and none", () => {
  expect(parseCapabilities('CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n').has('NET_ADMIN')).toBe(false);
  expect(parseCapabilities('CapEff:\t00000000a80435fb\n').has('NET_ADMIN')).toBe(true);
  expect(parseCapabilities('CapEff:\t0000000000000000\n').size).toBe(0);
});

test('both spellings of no limit', () => {
  expect(parseMemoryLimit('max\n')).toBeUndefined();
  expect(parseMemoryLimit('9223372036854771712\n')).toBeUndefined();
  expect(parseMemoryLimit('536870912\n')).toBe(536870912);
});
