import { VirtainersError } from '@virtainers/core';
import { expect, test } from 'vitest';
import { inspectImage } from './inspect.ts';

const asked: string[] = [];
const ctx = {
  env: {},
  exec: (file: string, args: readonly string[]) => {
    asked.push([file, ...args].join(' '));
    return Promise.reject(new VirtainersError('COMMAND_FAILED', 'no registry here'));
  },
};

test.each(['/no/such/file', './missing.tar', '../missing', '~/image.tar', 'missing.tar', 'Missing.TAR'])(
  '%s can only be a path: no registry is asked for it',
  async (origin) => {
    asked.length = 0;
    await expect(inspectImage(ctx, origin)).rejects.toMatchObject({
      code: 'SOURCE_UNAVAILABLE',
      message: `reading ${origin}: there is no such file`,
    });
    expect(asked).toEqual([]);
  },
);

test.each(['debian', 'registry.example:5000/me/box.tar:1', '.hidden', 'a/b/c'])('%s is a reference', async (origin) => {
  asked.length = 0;
  await expect(inspectImage(ctx, origin)).rejects.toThrow('no registry here');
  expect(asked).toEqual([expect.stringContaining(`docker://${origin}`)]);
});
