import { expect, test } from 'vitest';
import { checkDiskOptions, type Subject } from './bake-disk.ts';
import type { ImageDefinition } from './definition/schema.ts';

function subject(kind: ImageDefinition['kind']): Subject {
  return { kind: 'definition', definition: { kind, name: 'debian:13' } as ImageDefinition };
}

test('a disk made here has no sum to check, but may be larger; a generic image has no disk', () => {
  const sha256 = 'ab'.repeat(32);
  expect(() => checkDiskOptions(subject('packages'), { sha256, size: 1 })).toThrow(/^--sha256: .* is made here/);
  expect(() => checkDiskOptions(subject('generic'), { sha256, size: 1 })).toThrow(/^--sha256, --size: .* has no disk/);
  expect(() => checkDiskOptions(subject('packages'), { size: 1 })).not.toThrow();
  expect(() => checkDiskOptions(subject('cloud'), { sha256, size: 1 })).not.toThrow();
});
