import { expect, test } from 'vitest';
import { nameOfMoment, nameOfPresent, requireFreeName, requireSnapshot } from './snapshots.ts';

const made = (...names: string[]) => names.map((name) => ({ name, created: '2026-01-01T00:00:00.000Z', memory: 0 }));

test('the present is kept under a name that is free', () => {
  expect(nameOfPresent(made('a'), 'a')).toBe('before-a');
  expect(nameOfPresent(made('a', 'before-a', 'before-a-2'), 'a')).toBe('before-a-3');
});

test('every name that is made up here is one that may be given', () => {
  const long = 'x'.repeat(63);
  const names = [nameOfMoment(new Date()), nameOfPresent(made(`before-${long}`.slice(0, 58)), long)];
  for (const name of names) expect(() => requireFreeName([], name)).not.toThrow();
  expect(nameOfMoment(new Date('2026-11-26T19:31:27.123Z'))).toBe('2026-11-26T19.31.27Z');
});

test.for(['', '7', '-d', 'a b', 'a/b', '.hidden', 'x'.repeat(64), 'a\n'])('%j is no name', (name) => {
  expect(() => requireFreeName([], name)).toThrow(/cannot be the name/);
});

test('what is not there is told with what is', () => {
  expect(() => requireSnapshot(made('a', 'b'), 'c')).toThrow(
    expect.objectContaining({ code: 'SNAPSHOT_UNKNOWN', exitCode: 64, hint: 'there are: a, b' }),
  );
  expect(() => requireSnapshot([], 'c')).toThrow(expect.objectContaining({ hint: expect.stringContaining('none') }));
});
