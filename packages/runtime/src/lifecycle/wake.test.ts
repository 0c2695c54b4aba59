import { expect, test } from 'vitest';
import { setClock } from './wake.ts';

const NOW = 1_800_000_000_000;

/** A guest that slept for an hour, whose agent knows these commands. */
function guest(known: readonly string[]) {
  const asked: string[] = [];
  let clock = NOW - 3_600_000;
  const ask = async (command: string, args?: object) => {
    asked.push(command);
    if (!known.includes(command)) return undefined;
    if (command === 'guest-set-time') clock = (args as { time: number }).time / 1e6;
    if (command === 'guest-exec') clock = Number((args as { arg: string[] }).arg[2]?.slice(1)) * 1000;
    return command === 'guest-get-time' ? clock * 1e6 : {};
  };
  return { ask, asked };
}

test('the agent sets the clock', async () => {
  const { ask, asked } = guest(['guest-set-time', 'guest-exec', 'guest-get-time']);
  expect(await setClock(ask, () => NOW)).toBe(0);
  expect(asked).toEqual(['guest-set-time', 'guest-get-time']);
});

test('one that needs hwclock and has none is told to run date', async () => {
  const { ask } = guest(['guest-exec', 'guest-get-time']);
  expect(await setClock(ask, () => NOW)).toBe(0);
});

test('one that may do neither says how far behind the clock is', async () => {
  const { ask } = guest(['guest-get-time']);
  expect(await setClock(ask, () => NOW)).toBe(3_600_000);
});

test('without an agent nothing is known, and nothing asked twice', async () => {
  const { ask, asked } = guest([]);
  expect(await setClock(ask, () => NOW)).toBeUndefined();
  expect(asked).toHaveLength(3);
});
