import { expect, test } from 'vitest';
import { parseStatus } from './dpkg-status.ts';
import { aboveRoot } from './feature-layer.ts';
import type { LockedPackage } from './lock.ts';

function locked(name: string, version: string, source = name): LockedPackage {
  const path = `debian/pool/main/${source[0]}/${source}/${name}_${version}_amd64.deb`;
  return { name, version, arch: 'amd64', sha256: 'ab'.repeat(32), size: 1, path };
}

const ROOT = [
  { name: 'libc6', source: 'glibc', version: '2.41-12' },
  { name: 'qemu-system-x86', source: 'qemu', version: '1:10.0.2+ds-2+b1' },
];
const FEATURE = { name: 'rbd' };

test('a feature is what the root does not have', () => {
  const packages = [locked('libc6', '2.41-13', 'glibc'), locked('librbd1', '18.2', 'ceph')];
  expect(aboveRoot(FEATURE, packages, ROOT)).toEqual([packages[1]]);
});

test('a part of what the root has is of the same version, however often that was built', () => {
  const same = [locked('qemu-block-extra', '1:10.0.2+ds-2+b3', 'qemu')];
  expect(aboveRoot(FEATURE, same, ROOT)).toEqual(same);
  const other = [locked('qemu-block-extra', '1:10.0.3+ds-1', 'qemu')];
  expect(() => aboveRoot(FEATURE, other, ROOT)).toThrowError(
    expect.objectContaining({ code: 'LOCK_STALE', hint: expect.stringContaining('--update-lock') }),
  );
});

test("what dpkg's status says of a package, and where it was built from", () => {
  const text = [
    'Package: qemu-utils\nStatus: install ok installed\nSource: qemu (1:10.0)\nVersion: 1:10.0+b1\nDescription: a\n b\n',
    'Package: tini\nVersion: 0.19\n',
  ].join('\n');
  expect(parseStatus(text)).toEqual([
    { name: 'qemu-utils', source: 'qemu', version: '1:10.0+b1' },
    { name: 'tini', source: 'tini', version: '0.19' },
  ]);
});
