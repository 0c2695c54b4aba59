import { expect, test } from 'vitest';
import { parseStartTime } from './life.ts';

test('the start time is found whatever the program is called', () => {
  const rest = Array.from({ length: 30 }, (_, index) => String(index + 3)).join(' ');
  expect(parseStartTime(`1 (tini) ${rest}`)).toBe('22');
  expect(parseStartTime(`1 (odd) (name) ${rest}`)).toBe('22');
});
