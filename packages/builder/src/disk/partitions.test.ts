import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planPartitions, stableUuid } from './partitions.ts';

const MIB = 1024 * 1024;

test('a BIOS boot partition, then the root to the end', () => {
  const plan = planPartitions(10 * 1024 * MIB, 'x');
  expect(plan.boot).toEqual({ start: 2048, size: 2048 });
  expect(plan.root).toEqual({ start: 4096, size: 20965376 });
  expect(plan.script).toMatch(
    /^label: gpt\nlabel-id: \S{36}\nunit: sectors\n1 : start=4096, .*\n14 : start=2048, .*\n$/,
  );
});

test('an EFI system partition, then the root to the end', () => {
  const plan = planPartitions(10 * 1024 * MIB, 'x', 'uefi');
  expect(plan.boot).toEqual({ start: 2048, size: 131072 });
  expect(plan.root.start).toBe(133120);
  expect(plan.script).toMatch(/\n15 : start=2048, size=131072, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, .*\n$/);
});

test('the backup table fits behind the root on a disk of any size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2048, max: 4 * 1024 * 1024 }), (size) => {
      const { root } = planPartitions(size * MIB, 'x');
      expect(root.size % 2048).toBe(0);
      expect(root.start + root.size).toBeLessThanOrEqual(size * 2048 - 33);
    }),
  );
});

test('the same seed gives the same UUID, another one another', () => {
  expect(stableUuid('a')).toBe(stableUuid('a'));
  expect(stableUuid('a')).not.toBe(stableUuid('b'));
  expect(stableUuid('a')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
