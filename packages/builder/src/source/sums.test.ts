import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasSums, makeSumCheck, parseSums } from './sums.ts';

const bytes = Buffer.from('a cloud image');
const sha256 = createHash('sha256').update(bytes).digest('hex');
const sha512 = createHash('sha512').update(bytes).digest('hex');

test('sums are taken as people paste them', () => {
  expect(parseSums({ sha256: ` SHA256:${sha256.toUpperCase()}\n` })).toEqual({ sha256 });
  expect(parseSums({ sha512 })).toEqual({ sha512 });
  expect(hasSums(parseSums({}))).toBe(false);
});

test('all bad sums are named at once', () => {
  expect(() => parseSums({ sha256: sha512, sha512: 'x' })).toThrow(/sha256 sum.*sha512 sum/);
});

test('nothing but 64 or 128 hex digits is a sum', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      fc.pre(!/^\s*(sha256:)?[0-9a-f]{64}\s*$/i.test(text));
      expect(() => parseSums({ sha256: text })).toThrow();
    }),
  );
});

test('a check gives the SHA-256, or names both sums', () => {
  const check = makeSumCheck({ sha256, sha512 });
  check.update(bytes.subarray(0, 3));
  check.update(bytes.subarray(3));
  expect(check.finish('reading x')).toBe(`sha256:${sha256}`);
  const wrong = makeSumCheck({ sha512: '0'.repeat(128) });
  wrong.update(bytes);
  expect(() => wrong.finish('reading x')).toThrow(
    `reading x: expected sha512:${'0'.repeat(128)}, got sha512:${sha512}`,
  );
});
