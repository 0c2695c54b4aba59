import type { Machine } from '@virtainers/core';
import { expect, test } from 'vitest';
import { checkOwnLabels, imageLabels, type Provenance } from './labels.ts';

const machine: Machine = {
  formatVersion: 1,
  name: 'debian:13',
  arch: 'amd64',
  osinfo: 'debian13',
  user: 'debian',
  firmware: 'bios',
  ports: [22],
};
const provenance: Provenance = {
  title: 'Debian 13',
  created: 0,
  license: undefined,
  homepage: undefined,
  root: 'sha256:0',
  features: [],
  source: 'debian:13',
  sourceDigest: undefined,
  convertedBy: undefined,
};

test('labels of a user stand in one order, whichever way they were given, and may replace those of OCI', () => {
  const [one, other] = [
    { team: 'a', 'org.opencontainers.image.title': 'Mine' },
    { 'org.opencontainers.image.title': 'Mine', team: 'a' },
  ].map((own) => imageLabels(machine, provenance, own));
  expect(JSON.stringify(one)).toBe(JSON.stringify(other));
  expect(one).toMatchObject({ team: 'a', 'org.opencontainers.image.title': 'Mine', 'io.virtainers.user': 'debian' });
  expect(Object.keys(one ?? {})).toEqual(Object.keys(one ?? {}).sort());
});

test('every label that is not for its user to give is named', () => {
  checkOwnLabels({ 'com.example.team': 'a=b', empty: '' });
  expect(() => checkOwnLabels({ 'io.virtainers.user': 'root', ok: '', 'a b': '' })).toThrow(
    /io\.virtainers\.user: .*\n.*"a b"/,
  );
});
