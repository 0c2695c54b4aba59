import { makeExec } from '@virtainers/core';
import { expect, test } from 'vitest';
import { requireCosign, signArguments } from './cosign.ts';

const digest = `sha256:${'0'.repeat(64)}`;

test('a tag may have moved: what is signed is named by its digest', () => {
  expect(signArguments('localhost:5000/me/box:1', digest, {})).toEqual([
    'sign',
    '--yes',
    `localhost:5000/me/box@${digest}`,
  ]);
});

test('a key, and a registry that speaks plain http', () => {
  expect(signArguments('host/box:1', digest, { key: 'awskms:///alias/box', insecure: true })).toEqual([
    'sign',
    '--yes',
    '--key',
    'awskms:///alias/box',
    '--allow-insecure-registry',
    '--allow-http-registry',
    `host/box@${digest}`,
  ]);
});

test('without cosign: what is missing, and where it is had', async () => {
  const ctx = { exec: makeExec(), env: { PATH: '/nowhere' } };
  await expect(requireCosign(ctx)).rejects.toMatchObject({
    code: 'TOOL_MISSING',
    message: '--sign: cosign is not installed',
    hint: expect.stringContaining('docs.sigstore.dev'),
  });
});
