import { expect, test } from 'vitest';
import { kvmProbeDisk, planKvmProbe } from './kvm-probe.ts';

test('the disk has a boot sector, and a cylinder for a BIOS to find it in', () => {
  expect(kvmProbeDisk().readUInt16BE(510)).toBe(0x55aa);
  expect(kvmProbeDisk().length).toBeGreaterThanOrEqual(16 * 63 * 512);
});

test('a comma in its path is no option', () => {
  expect(planKvmProbe('/tmp/a,b')).toContainEqual(expect.stringContaining('file=/tmp/a,,b,format=raw'));
});
