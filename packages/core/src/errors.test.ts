import { expect, test } from 'vitest';
import { describeError, ERRORS, VirtainersError } from './errors.ts';
import { commandFailed, quote } from './exec.ts';

test('an error says what was being done, what to do next, and exits with its code', () => {
  const error = new VirtainersError('DATA_IN_USE', 'opening /mounted: box has it', { hint: 'stop box' });
  expect(describeError(error)).toEqual({
    lines: ['error: opening /mounted: box has it', 'hint: stop box'],
    exitCode: 73,
  });
});

test('anything else is a bug of ours: 1, with its stack', () => {
  const { lines, exitCode } = describeError(new TypeError('x is undefined'));
  expect(exitCode).toBe(1);
  expect(lines.join('\n')).toMatch(/bug in virtainers[\s\S]*TypeError: x is undefined/);
});

test('every code exits with one that the contract names', () => {
  for (const { exit } of Object.values(ERRORS)) expect([64, 65, 69, 70, 71, 73, 78]).toContain(exit);
});

test('a failed program shows its argv and the end of what it said, and no secret', () => {
  const { message } = commandFailed(
    ['tool', '--password', 's3cret', 'a b'],
    'exit code 2',
    `${'x'.repeat(9000)}\nno s3cret here`,
    ['s3cret'],
  );
  expect(message).toContain("running tool --password *** 'a b': exit code 2");
  expect(message).toContain('no *** here');
  expect(message).not.toContain('s3cret');
  expect(message.length).toBeLessThan(3000);
});

test('words are quoted for a shell to read', () => {
  expect([quote('plain-1.0/x'), quote('a b'), quote("it's"), quote('')]).toEqual([
    'plain-1.0/x',
    "'a b'",
    `'it'\\''s'`,
    "''",
  ]);
});
