import { expect, test } from 'vitest';
import { looksLikeOrigin, parseOrigin } from './locate.ts';

test.each([
  ['debian:13', false],
  ['disk.qcow2', false],
  ['./disk.qcow2', true],
  ['/a/b', true],
  ['https://example.org/x', true],
])('%s: an origin at its face, %s', (source, expected) => {
  expect(looksLikeOrigin(source)).toBe(expected);
});

test.each([
  ['/images/Fedora-44.x86_64.qcow2.xz', 'Fedora-44.x86_64', 'Fedora-44.x86_64.qcow2.xz'],
  ['https://example.org/a/noble.img?token=secret#x', 'noble', 'https://example.org/a/noble.img'],
  ['https://me:secret@example.org/a%20b.raw.gz', 'a b', 'https://example.org/a%20b.raw.gz'],
  ['file:///images/a%20b.qcow2', 'a b', 'a b.qcow2'],
  ['https://example.org/', 'disk', 'https://example.org/'],
  ['https://example.org/%E0%A4%A', '%E0%A4%A', 'https://example.org/%E0%A4%A'],
])('%s is called %s and published as %s', (source, stem, label) => {
  expect(parseOrigin(source)).toMatchObject({ stem, label });
});

test.each(['ftp://example.org/x', 'file://elsewhere/x', 'https://'])('%s is refused', (source) => {
  expect(() => parseOrigin(source)).toThrow();
});
