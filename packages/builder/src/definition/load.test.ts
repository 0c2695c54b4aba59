import type { VirtainersError } from '@virtainers/core';
import { expect, test } from 'vitest';
import { findDefinition, parseDefinition } from './load.ts';
import { editDistance, nearNames } from './near-names.ts';
import type { ImageDefinition } from './schema.ts';

const GUEST = `kind: packages
name: debian:13-packages
aliases: [debian:trixie-packages]
title: Debian 13
osinfo: debian13
user: debian
size: 10G
network: networkd
suite: trixie
packages: [linux-image-cloud-amd64]
`;

test('a definition of packages is filled up with what it leaves out', () => {
  const { definition, problems } = parseDefinition('/x/debian-13-packages.yaml', GUEST);
  expect(problems).toEqual([]);
  expect(definition).toMatchObject({
    stem: 'debian-13-packages',
    size: 10 * 1024 ** 3,
    ports: [22],
    mirror: 'http://deb.debian.org',
    firmware: ['bios'],
  });
});

test('every problem is told, with the file and the field', () => {
  const text = GUEST.replace('10G', '10 apples').replace('user: debian', 'user: De bian\ncolour: red');
  const { definition, problems } = parseDefinition('/x/bad.yaml', text);
  expect(definition).toBeUndefined();
  expect(problems).toHaveLength(3);
  expect(problems.every((line) => line.startsWith('/x/bad.yaml: '))).toBe(true);
  expect(problems.join('\n')).toMatch(/user:.*\n?[\s\S]*size:|size:[\s\S]*user:/);
});

test('text that is not YAML is a problem, not a crash', () => {
  expect(parseDefinition('/x/bad.yaml', 'a: [').problems[0]).toMatch(/^\/x\/bad\.yaml: /);
  expect(parseDefinition('/x/empty.yaml', '').problems).toHaveLength(1);
});

test('an image is found by name and by alias', () => {
  const { definition } = parseDefinition('/x/debian-13-packages.yaml', GUEST);
  const list = [definition as ImageDefinition];
  expect(findDefinition(list, 'debian:13-packages').name).toBe('debian:13-packages');
  expect(findDefinition(list, 'debian:trixie-packages').name).toBe('debian:13-packages');
});

test('an unknown image names near ones', () => {
  const { definition } = parseDefinition('/x/debian-13-packages.yaml', GUEST);
  const failure = () => findDefinition([definition as ImageDefinition], 'debain:13-packages');
  expect(failure).toThrowError(expect.objectContaining({ code: 'IMAGE_UNKNOWN' }));
  try {
    failure();
  } catch (error) {
    expect((error as VirtainersError).hint).toContain('debian:13-packages');
  }
});

test('near names: nearest first, far ones not at all', () => {
  expect(nearNames('fedroa:44', ['debian:13', 'fedora:44', 'fedora:43'])).toEqual(['fedora:44', 'fedora:43']);
  expect(nearNames('zzzzzzzzzz', ['debian:13'])).toEqual([]);
  expect(editDistance('kitten', 'sitting')).toBe(3);
});
