import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalReference, defaultReference, isInsecure, parseReference, registryOf } from './reference.ts';

test.each([
  ['virtainers/debian:13', 'virtainers/debian:13'],
  ['box', 'box:latest'],
  ['localhost:5000/me/box', 'localhost:5000/me/box:latest'],
  ['registry.example/me/box:1.0_x', 'registry.example/me/box:1.0_x'],
])('%s is %s', (text, reference) => {
  expect(parseReference(text)).toBe(reference);
});

test.each(['', 'Box', 'a b', 'box:', 'box:a/b:c d', 'x@sha256:abc', '/box', 'box/', '-x', `box:${'t'.repeat(129)}`])(
  '%j is refused',
  (text) => {
    expect(() => parseReference(text)).toThrow(/is not an image reference/);
  },
);

test.each([
  ['virtainers/debian:13', 'docker.io/virtainers/debian:13'],
  ['box:1', 'docker.io/library/box:1'],
  ['localhost/box:1', 'localhost/box:1'],
  ['127.0.0.1:5000/box:1', '127.0.0.1:5000/box:1'],
])('engines know %s as %s', (reference, canonical) => {
  expect(canonicalReference(reference)).toBe(canonical);
});

test.each([
  ['debian:13-packages', 'virtainers/debian:13-packages'],
  ['generic', 'virtainers/generic:latest'],
  ['My Disk (2)', 'virtainers/my-disk-2:latest'],
  ['Fedora-Cloud-Base-Generic-44-1.7.x86_64', 'virtainers/fedora-cloud-base-generic-44-1.7.x86_64:latest'],
  ['__', 'virtainers/disk:latest'],
])('%s is called %s', (name, reference) => {
  expect(defaultReference(name)).toBe(reference);
});

test('whatever a file is called, its image has a name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (name) => {
      const reference = defaultReference(name);
      expect(parseReference(reference)).toBe(reference);
    }),
  );
});

test('an insecure registry is one that is named, and no other', () => {
  expect(registryOf('localhost:5000/me/box:1')).toBe('localhost:5000');
  expect(registryOf('me/box:1')).toBeUndefined();
  expect(registryOf('box.tar')).toBeUndefined();
  expect(isInsecure('ghcr.io/me/base:1', ['localhost:5000'])).toBe(false);
  expect(isInsecure('localhost:5000/me/base:1', ['localhost:5000'])).toBe(true);
});
