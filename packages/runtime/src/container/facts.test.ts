import { expect, test } from 'vitest';
import { isReadonlyRoot, parseCapabilities, parseMemoryLimit } from './facts.ts';

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

test('a read-only root is one whose last mount is', () => {
  const line = (options: string, point = '/') =>
    `1 0 0:1 / ${point} ${options},relatime - overlay overlay rw,lowerdir=x`;
  expect(isReadonlyRoot(line('ro'))).toBe(true);
  expect(isReadonlyRoot([line('ro'), line('rw')].join('\n'))).toBe(false);
  expect(isReadonlyRoot([line('rw'), line('ro', '/sys')].join('\n'))).toBe(false);
});
