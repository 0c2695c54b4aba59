import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tempFolder } from '../../../test/helpers/temp-folder.ts';
import { checkShares, parseShareRequest, shareMounts, shareSetting } from './run-shares.ts';

test.for([
  ['/src:/srv/src', { host: '/src', guest: '/srv/src', readonly: false }],
  ['/src/:/srv/my src/:ro', { host: '/src', guest: '/srv/my src', readonly: true }],
  ['/a:b:/c:/srv:rw', { host: '/a:b:/c', guest: '/srv', readonly: false }],
  ['src:/srv', { host: join(process.cwd(), 'src'), guest: '/srv', readonly: false }],
] as const)('%s', ([text, share]) => {
  expect(parseShareRequest(text)).toEqual(share);
});

test.for([
  ['/src', /is not HOST:GUEST/],
  ['/src:srv', /is not HOST:GUEST/],
  [':/srv', /is not HOST:GUEST/],
  ['/src:/srv:rx', /is not HOST:GUEST/],
  ['/src:/proc', /the guest's folder is to be an absolute path/],
  ['/a\nb:/srv', /line break/],
] as const)('%j is refused', ([text, message]) => {
  expect(parseShareRequest(text)).toMatch(message);
});

test('what is missing, a file or given twice is said at once', async () => {
  const folder = await tempFolder('shares');
  await mkdir(join(folder, 'good'));
  await writeFile(join(folder, 'file'), '');
  const share = (name: string, guest: string) => ({ host: join(folder, name), guest, readonly: false });
  await checkShares([share('good', '/srv/a')], ['SHARESX=1']);
  const shares = [share('good', '/srv/a'), share('gone', '/srv/b'), share('file', '/srv/c'), share('good', '/srv/a')];
  await expect(checkShares(shares, ['SHARES=x:/y'])).rejects.toMatchObject({
    code: 'ARGUMENTS_BAD',
    message: expect.stringMatching(
      /gone: no such folder\n.*file is not a folder\n.*\/srv\/a is given twice\n.*--env SHARES/,
    ),
  });
});

test('the engine gets any path, the runtime names and places', () => {
  const shares = [
    { host: '/home/me/a, "b": c', guest: '/srv/my b', readonly: true },
    { host: '/src', guest: '/srv/src', readonly: false },
  ];
  expect(shareMounts(shares)).toEqual([
    '--mount',
    'type=bind,"source=/home/me/a, ""b"": c",target=/shares/share1,readonly',
    '--mount',
    'type=bind,source=/src,target=/shares/share2',
  ]);
  expect(shareSetting(shares)).toBe('SHARES="share1:/srv/my b:ro" share2:/srv/src');
  expect(shareSetting([])).toBeUndefined();
});
