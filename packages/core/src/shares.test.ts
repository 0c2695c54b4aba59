import { expect, test } from 'vitest';
import { formatShares, parseGuestFolder, parseShare } from './shares.ts';

test.for([
  ['src:/srv/src', { name: 'src', guest: '/srv/src', readonly: false }],
  ['src:/srv//src/:ro', { name: 'src', guest: '/srv/src', readonly: true }],
  ['a.b-c_1:/srv/my data:rw', { name: 'a.b-c_1', guest: '/srv/my data', readonly: false }],
  ['src', undefined],
  ['src:srv', undefined],
  ['src:/srv:readonly', undefined],
  [':/srv', undefined],
  ['-src:/srv', undefined],
  [`${'a'.repeat(32)}:/srv`, undefined],
] as const)('%s', ([text, share]) => {
  expect(parseShare(text)).toEqual(share);
});

test.for(['/', '//', 'srv', '', '/srv/../etc', '/srv/.', '/proc', '/sys/x', '/dev/shm', '/a:b', '/a"b', '/a\nb'])(
  'no folder of a guest: %j',
  (text) => {
    expect(parseGuestFolder(text)).toBeUndefined();
  },
);

test('what is written is what the setting reads: one with a space stands in quotes', () => {
  const shares = [
    { name: 'a', guest: '/srv/a', readonly: true },
    { name: 'b', guest: '/srv/my data', readonly: false },
  ];
  expect(formatShares(shares)).toBe('a:/srv/a:ro "b:/srv/my data"');
});
