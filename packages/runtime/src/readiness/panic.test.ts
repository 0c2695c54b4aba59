import { expect, onTestFinished, test } from 'vitest';
import { watchPanic } from './panic.ts';

const TRACE = '[   40.2] CPU: 0 PID: 1 Comm: init\r\n[   40.3] ---[ end Kernel panic - not syncing: it ]---\r\n';

/** What becomes of a guest that says `said` in pieces; it is watched until long after the last. */
async function outcome(said: readonly string[], agent = false, after?: 'reboot'): Promise<'panicked' | 'lives'> {
  let tell: (outcome: 'panicked' | 'lives') => void;
  const told = new Promise<'panicked' | 'lives'>((resolve) => {
    tell = resolve;
  });
  const watch = watchPanic({ answers: async () => agent, onPanic: () => tell('panicked'), quietMs: 20 });
  for (const piece of said) watch.onConsole(new TextEncoder().encode(piece));
  if (after) watch.clear();
  const late = setTimeout(() => tell('lives'), 300);
  onTestFinished(() => clearTimeout(late));
  return told;
}

test.for([
  ['with its time', [`[   40.1] Kernel panic - not syncing: it\r\n${TRACE}`]],
  ['with its caller', ['[   40.1][    T1] Kernel panic - not syncing: it\r\n[   40.2][    T1] CPU: 0\r\n']],
  ['without time', ['Kernel panic - not syncing: it\r\nCPU: 0 PID: 1\r\n']],
  ['cut into pieces', ['[   40.1] Kernel pan', 'ic - not syncing: it\r', '\n']],
  ['behind a prompt', [`debian login: [   40.1] Kernel panic - not syncing: it\r\n${TRACE}`]],
  [
    'among what another CPU still says',
    ['[   40.1] Kernel panic - not syncing: it\r\n', '[  OK  ] Started x.\r\n', TRACE],
  ],
] as const)('a panic, %s', async ([, said]) => {
  expect(await outcome(said)).toBe('panicked');
});

test.for([
  ['the log of another boot', ['Nov 27 01:00:00 box kernel: Kernel panic - not syncing: it\r\n']],
  ['a file that is shown', [`[   40.1] Kernel panic - not syncing: it\r\n${TRACE}`, 'root@box:~# ']],
  ['one without times', ['Kernel panic - not syncing: it\r\nroot@box:~# ']],
  ['a log that goes on', ['[   40.1] Kernel panic - not syncing: it\r\n', 'more of it\r\n']],
  ['a search', ["root@box:~# grep 'Kernel panic - not syncing' log\r\n"]],
] as const)('%s is no panic', async ([, said]) => {
  expect(await outcome(said)).toBe('lives');
});

test('a guest whose agent answers has not panicked, whatever its console says', async () => {
  expect(await outcome([`[   40.1] Kernel panic - not syncing: it\r\n${TRACE}`], true)).toBe('lives');
});

test('a guest that began again has not', async () => {
  expect(await outcome([`[   40.1] Kernel panic - not syncing: it\r\n${TRACE}`], false, 'reboot')).toBe('lives');
});
