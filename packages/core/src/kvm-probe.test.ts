import { expect, test } from 'vitest';
import { KVM_PROBES } from './kvm-probe.ts';

const { content, args } = KVM_PROBES.amd64;

test('the disk has a boot sector, and a cylinder for a BIOS to find it in', () => {
  expect(content().readUInt16BE(510)).toBe(0x55aa);
  expect(content().length).toBeGreaterThanOrEqual(16 * 63 * 512);
});

test('a comma in its path is no option', () => {
  expect(args('/tmp/a,b')).toContainEqual(expect.stringContaining('file=/tmp/a,,b,format=raw'));
});
