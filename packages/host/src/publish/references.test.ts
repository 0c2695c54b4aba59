import { expect, test } from 'vitest';
import { insecureRegistries } from './references.ts';

test('--insecure is for the registries in the command, and for what is found only where there are none', () => {
  expect(insecureRegistries(undefined, 'localhost:5000/me/box:1')).toEqual([]);
  expect(insecureRegistries(true, undefined, 'localhost:5000/me/box:1')).toEqual(['localhost:5000']);
  expect(insecureRegistries(true, './base.tar', 'me/box:1')).toBe('any');
});
