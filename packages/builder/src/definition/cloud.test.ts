import { expect, test } from 'vitest';
import { recipeFor, trustIn } from './cloud.ts';
import { parseDefinition } from './load.ts';
import type { CloudDefinition } from './schema.ts';

const SUM = 'a'.repeat(64);

/** A release like Fedora's: an index, sums that are named by what the index found, signed within themselves. */
const RELEASE = `kind: cloud
name: example:1
title: Example 1
osinfo: fedora44
user: example
minDisk: 10G
architectures:
  amd64: { words: { arch: x86_64 } }
  arm64: { words: { arch: aarch64 } }
places:
  - url: https://one.example/{arch}/
    find: { kind: listing, match: 'Example-1-(?<tag>[0-9.]+)\\.{arch}\\.qcow2' }
  - url: https://two.example/
    find: { kind: sums, file: "{arch}/CHECKSUM", match: 'Example-1-(?<tag>[0-9]{8})\\.{arch}\\.qcow2' }
sums: "Example-{tag}-{arch}-CHECKSUM"
signature:
  kind: detached
  file: "{file}.{arch}.asc"
  key: example
  fingerprints: [C6E7F081CF80E13146676E88829B606631645531]
resolved: never
`;

function parse(text: string) {
  return parseDefinition('/images/example-1.yaml', text);
}

function cloud(text: string): CloudDefinition {
  const { definition, problems } = parse(text);
  expect(problems).toEqual([]);
  if (definition?.kind !== 'cloud') throw new Error('no cloud image');
  return definition;
}

test('an architecture’s words stand in places and names; the words of what will be found stay', () => {
  expect(recipeFor(cloud(RELEASE), 'arm64')).toEqual({
    places: [
      {
        url: 'https://one.example/aarch64/',
        find: { kind: 'listing', match: 'Example-1-(?<tag>[0-9.]+)\\.aarch64\\.qcow2' },
      },
      {
        url: 'https://two.example/',
        find: { kind: 'sums', file: 'aarch64/CHECKSUM', match: 'Example-1-(?<tag>[0-9]{8})\\.aarch64\\.qcow2' },
      },
    ],
    sums: 'Example-{tag}-aarch64-CHECKSUM',
    signature: {
      kind: 'detached',
      file: '{file}.aarch64.asc',
      key: { path: '/images/keys/example.asc', fingerprints: ['C6E7F081CF80E13146676E88829B606631645531'] },
    },
    pin: undefined,
  });
});

test('an architecture that the vendor does not have has no recipe', () => {
  expect(recipeFor(cloud(RELEASE.replace(/^ {2}arm64.*\n/m, '')), 'arm64')).toBeUndefined();
});

test('who vouches: the key where it comes along, the pinned sum before it, else nobody', () => {
  expect(trustIn(cloud(RELEASE), 'amd64')).toBe('signed');
  expect(trustIn(cloud(RELEASE.replace('  key: example\n', '')), 'amd64')).toBe('unchecked');
  const unsigned = RELEASE.replace(/^signature:\n(?: {2}.*\n)+/m, 'signature: { kind: none }\n');
  expect(trustIn(cloud(unsigned), 'amd64')).toBe('unsigned');
  const pinned = cloud(RELEASE.replace('arch: x86_64 }', `arch: x86_64 }, pin: { sha256: ${SUM} }`));
  expect(trustIn(pinned, 'amd64')).toBe('pinned');
  expect(trustIn(pinned, 'arm64')).toBe('signed');
  expect(recipeFor(pinned, 'amd64')?.pin).toEqual({ sha256: SUM });
});

test('near misses are told all at once, each with its field', () => {
  const wrong = RELEASE.replace('user: example', 'user: Example')
    .replace('https://one.example/{arch}/', 'ftp://one.example/{arch}/')
    .replace('https://two.example/', 'https://two.example')
    .replace('[0-9.]+)', '[0-9.+)')
    .replace('key: example', 'key: ../../etc/passwd')
    .replace('C6E7F081CF80E13146676E88829B606631645531', 'C6E7F081')
    .replace('resolved: never', 'resolved: yesterday\nsignd: true')
    .replace('arm64:', 'aarch64:');
  const { definition, problems } = parse(wrong);
  expect(definition).toBeUndefined();
  const fields = [
    'user',
    'places[0].url',
    'places[1].url',
    'places[0].find.match',
    'signature.key',
    'signature.fingerprints[0]',
    'resolved',
    'architectures',
  ];
  for (const field of fields) expect(problems).toContainEqual(expect.stringContaining(`example-1.yaml: ${field}: `));
  expect(problems.join('\n')).toMatch(/"aarch64"/);
  expect(problems.join('\n')).toMatch(/"signd"/);
});

test('a sum of the wrong length is no pin', () => {
  expect(parse(RELEASE.replace('arch: x86_64 }', 'arch: x86_64 }, pin: { sha256: abc }')).problems).toHaveLength(1);
});

test('words that nobody fills in are told, all of them', () => {
  const wrong = RELEASE.replace('one.example/{arch}/', 'one.example/{arhc}/')
    .replace('"{file}.{arch}.asc"', '"{file}.{sig}"')
    .replace('amd64: { words: { arch: x86_64 } }', 'amd64: {}');
  expect(parse(wrong).problems).toEqual(
    [
      'places.0: {arhc} is no word of amd64',
      'places.0: {arch} is no word of amd64',
      'sums or signature: {arch} is no word of amd64 or of places.0',
      'sums or signature: {sig} is no word of amd64 or of places.0',
      'places.1: {arch} is no word of amd64',
      'sums or signature: {arch} is no word of amd64 or of places.1',
      'sums or signature: {sig} is no word of amd64 or of places.1',
      'places.0: {arhc} is no word of arm64',
      'sums or signature: {sig} is no word of arm64 or of places.0',
      'sums or signature: {sig} is no word of arm64 or of places.1',
    ].map((problem) => `/images/example-1.yaml: ${problem}`),
  );
});

test('a group of one place’s pattern that another lacks is told', () => {
  const { problems } = parse(RELEASE.replace('(?<tag>[0-9]{8})', '[0-9]{8}'));
  expect(problems).toHaveLength(2);
  expect(problems[0]).toContain('{tag} is no word of amd64 or of places.1');
});

test('signed sums that are not named, and a release for no architecture, are told together', () => {
  const wrong = RELEASE.replace(/^sums:.*\n/m, '').replace(/^architectures:\n.*\n.*\n/m, 'architectures: {}\n');
  expect(parse(wrong).problems.map((line) => line.split(': ')[1])).toEqual(['architectures', 'sums']);
});

test('a vendor’s image needs no more than these fields', () => {
  const least = `kind: cloud
name: least
title: Least
osinfo: linux2022
user: me
architectures: { amd64: {} }
places: [{ url: https://x.example/, find: { kind: fixed, file: disk.qcow2 } }]
signature: { kind: none }
resolved: 2026-11-01
`;
  expect(cloud(least)).toMatchObject({ firmware: ['bios'], ports: [22], aliases: [] });
});
