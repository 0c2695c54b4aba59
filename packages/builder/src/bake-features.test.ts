import { expect, test } from 'vitest';
import { neededFeatures } from './bake-features.ts';

test("a guest in a container of its own architecture needs UEFI's layer, one of arm64 in another its QEMU", () => {
  expect(neededFeatures({ arch: 'amd64', firmware: 'bios' })).toEqual([]);
  expect(neededFeatures({ arch: 'amd64', firmware: 'uefi' })).toEqual(['uefi']);
  expect(neededFeatures({ arch: 'arm64', firmware: 'uefi' })).toEqual([]);
  expect(neededFeatures({ arch: 'arm64', firmware: 'uefi' }, 'amd64')).toEqual(['aarch64']);
});

test('a guest of amd64 does not run in containers for arm64', () => {
  expect(() => neededFeatures({ arch: 'amd64', firmware: 'bios' }, 'arm64')).toThrowError(
    expect.objectContaining({ code: 'ARGUMENTS_BAD' }),
  );
});
