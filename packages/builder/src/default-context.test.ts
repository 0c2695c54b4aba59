import { expect, test } from 'vitest';
import { DEFAULT_EPOCH, parseEpoch } from './default-context.ts';

test('SOURCE_DATE_EPOCH, or the same day for everybody', () => {
  expect(parseEpoch('1700000000')).toBe(1_700_000_000);
  expect(parseEpoch(undefined)).toBe(DEFAULT_EPOCH);
  expect(new Date(DEFAULT_EPOCH * 1000).toISOString()).toBe('2025-08-09T00:00:00.000Z');
});

test.each(['yesterday', '-1', '1.5'])('%s is none', (text) => {
  expect(() => parseEpoch(text)).toThrow('SOURCE_DATE_EPOCH');
});
