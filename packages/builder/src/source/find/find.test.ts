import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fill, newest, newestKey } from './find.ts';

test('newest is by number, not by letter', () => {
  const names = ['x-9.9.qcow2', 'x-9.10.qcow2', 'x-9.10.qcow2.sig', 'y-10.1.qcow2'];
  expect(newest(names, 'x-[0-9.]+\\.qcow2')?.path).toBe('x-9.10.qcow2');
});

test('a pattern describes the whole name, alternatives too', () => {
  expect(newest(['disk.qcow2.asc', 'my-disk.qcow2'], 'disk\\.qcow2')).toBeUndefined();
  expect(newest(['ax', 'xb', 'b'], 'a|b')?.path).toBe('b');
  expect(newest([], '.*')).toBeUndefined();
});

test('named groups become words', () => {
  expect(newest(['F-44-1.7.qcow2'], 'F-(?<release>\\d+)-(?<tag>[\\d.]+)\\.qcow2')).toMatchObject({
    words: { release: '44', tag: '1.7' },
  });
});

test('`latest` is not newer than a date where the pattern asks for one', () => {
  const names = ['C-10-20260720.0.qcow2', 'C-10-latest.qcow2', 'C-10-20260801.1.qcow2'];
  expect(newest(names, 'C-10-[0-9]{8}\\.[0-9]+\\.qcow2')?.path).toBe('C-10-20260801.1.qcow2');
});

test('the newest of dates is the last, in whatever order they come', () => {
  const date = fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true });
  fc.assert(
    fc.property(fc.array(date, { minLength: 1 }), (dates) => {
      const names = dates.map((one) => one.toISOString().slice(0, 10).replaceAll('-', ''));
      expect(newest(names, '[0-9]{8}')?.path).toBe([...names].sort().at(-1));
      expect(newestKey(names)).toBe([...names].sort().at(-1));
    }),
  );
});

test('the newest key: by number', () => {
  expect(newestKey(['20260101', '20261001', '20260930.1'])).toBe('20261001');
  expect(newestKey([])).toBeUndefined();
});

test('words are filled in; what is no word, or unknown, stays', () => {
  expect(fill('{a}/{file}-{b}', { a: 'x', file: 'y' })).toBe('x/y-{b}');
  expect(fill('[0-9]{8}{arch}', { arch: 'amd64' })).toBe('[0-9]{8}amd64');
  expect(fill('{a}', { a: '{b}', b: 'twice' })).toBe('{b}');
});
