import { expect, test } from 'vitest';
import { cacheFolder } from './cache-folder.ts';

test.each([
  [{}, undefined, '/home/me/.cache/virtainers'],
  [{ XDG_CACHE_HOME: '' }, undefined, '/home/me/.cache/virtainers'],
  [{ XDG_CACHE_HOME: '/big' }, undefined, '/big/virtainers'],
  [{ XDG_CACHE_HOME: '/big' }, '/own', '/own'],
])('%j, asked for %s', (env, wanted, folder) => {
  expect(cacheFolder(env, '/home/me', wanted)).toBe(folder);
});
