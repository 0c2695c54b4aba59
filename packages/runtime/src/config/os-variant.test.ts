import { expect, test } from 'vitest';
import { type OsinfoTable, resolveOsVariant } from './os-variant.ts';

const table: OsinfoTable = {
  debian12: { id: 'http://debian.org/debian/12' },
  debian13: { id: 'http://debian.org/debian/13' },
  'rhel7-unknown': { id: 'http://redhat.com/rhel/7-unknown' },
  'rhel7.0': { id: 'http://redhat.com/rhel/7.0' },
  'rhel7.9': { id: 'http://redhat.com/rhel/7.9' },
  'rhel7.10': { id: 'http://redhat.com/rhel/7.10' },
  'rhel70.1': { id: 'http://redhat.com/rhel/70.1' },
  'centos7.0': { id: 'http://centos.org/centos/7.0' },
  fedora42: { id: 'http://fedoraproject.org/fedora/42' },
};

test.for([
  ['debian13', 'debian13'],
  ['DEBIAN13', 'debian13'],
  ['debian:13', 'debian13'],
  ['http://Debian.org/debian/13', 'debian13'],
  ['centos7', 'centos7.0'],
  ['rhel7', 'rhel7.10'],
] as const)('V14: OS_VARIANT %s is found', ([text, shortId]) => {
  expect(resolveOsVariant(text, table)).toEqual({ shortId, id: table[shortId]?.id });
});

test('V14: an unknown OS_VARIANT lists near ones', () => {
  expect(resolveOsVariant('debian14', table)).toMatch(/no such operating system; near ones: debian1[23], debian1[23]/);
  expect(resolveOsVariant('fedora', table)).toContain('fedora42');
  expect(resolveOsVariant('zzzzzzzzzzzz', table)).toBe('no such operating system');
});

test('without a table any well-formed id passes', () => {
  expect(resolveOsVariant('Debian13', {})).toEqual({ shortId: 'debian13', id: undefined });
  expect(resolveOsVariant('http://debian.org/debian/13', {})).toEqual({
    shortId: 'http://debian.org/debian/13',
    id: 'http://debian.org/debian/13',
  });
  expect(resolveOsVariant('<x>', {})).toBe('not the form of an osinfo id');
});
