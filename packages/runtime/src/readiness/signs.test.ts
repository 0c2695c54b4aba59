import { expect, test } from 'vitest';
import { consoleSigns, makeLineReader, noSigns, stateOf } from './signs.ts';

test.for([
  [{}, 'booting'],
  [{ cloudInitSeen: true }, 'network'],
  [{ cloudInitSeen: true, answered: true }, 'cloud-init'],
  [{ cloudInitSeen: true, cloudInitEnded: true, answered: true }, 'ready'],
  [{ cloudInitSeen: true, cloudInitEnded: true }, 'network'],
  [{ answered: true }, 'ready'],
] as const)('%o is %s', ([signs, state]) => {
  expect(stateOf({ ...noSigns, ...signs })).toBe(state);
});

test('the console tells of cloud-init', () => {
  expect(consoleSigns("[   12.5] cloud-init[240]: Cloud-init v. 25.1.4 running 'init-local' at Sat")).toEqual({
    cloudInitSeen: true,
  });
  expect(
    consoleSigns('[   40.1] cloud-init[600]: Cloud-init v. 22.4.2 finished at Sat. Datasource DataSourceNoCloud'),
  ).toEqual({
    cloudInitSeen: true,
    cloudInitEnded: true,
  });
  expect(consoleSigns('debian login:')).toEqual({});
});

test('lines are cut wherever the bytes were, and an endless line does not grow', () => {
  const lines: string[] = [];
  const read = makeLineReader((line) => lines.push(line));
  for (const part of ['on', 'e\r\ntw', 'o\nthr\u00e9']) read(new TextEncoder().encode(part));
  read(new TextEncoder().encode('e\n'));
  expect(lines).toEqual(['one', 'two', 'thrée']);
  read(new TextEncoder().encode('x'.repeat(100_000)));
  read(new TextEncoder().encode('\n'));
  expect(lines.at(-1)).toHaveLength(4096);
});
