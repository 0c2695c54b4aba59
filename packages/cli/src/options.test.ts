import { expect, test } from 'vitest';
import { z } from 'zod';
import { checksum, engine, flagName, pairs, parseOptions, size } from './options.ts';

const schema = z.object({
  diskSize: size('B').optional(),
  engine: engine.optional(),
  sha256: checksum('sha256').optional(),
});

test('sizes in bytes, checksums bare', () => {
  const hex = 'A'.repeat(64);
  expect(parseOptions(schema, { diskSize: '2G', sha256: `sha256:${hex}` })).toEqual({
    diskSize: 2 * 1024 ** 3,
    sha256: 'a'.repeat(64),
  });
});

test('all mistakes at once, each with its flag', () => {
  expect(() => parseOptions(schema, { diskSize: 'big', engine: 'lxd', sha256: 'beef' })).toThrow(
    /--disk-size: "big".*\n.*--engine: one of docker, podman\n.*--sha256: 64 hexadecimal digits/,
  );
});

test('pairs: the first = divides, the last one of a key counts', () => {
  const labels = z.object({ label: pairs });
  expect(parseOptions(labels, { label: ['a=1', 'b=c=d', 'e=', 'a=2'] })).toEqual({
    label: { a: '2', b: 'c=d', e: '' },
  });
  expect(() => parseOptions(labels, { label: ['a', '=b', 'c=d'] })).toThrow(
    '--label: "a" is not KEY=VALUE\n--label: "=b" is not KEY=VALUE',
  );
});

test('flags as people type them', () => {
  expect(flagName('maxVirtualSize')).toBe('--max-virtual-size');
});
