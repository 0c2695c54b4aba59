import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSpawn } from '@virtainers/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { waitFor } from '../../../../test/helpers/process.ts';
import { type ConsoleHeir, makeConsoleHeir } from './heir.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'virtainers-heir-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('what comes after the reader was killed reaches the log, and the writer lives on', {
  timeout: 30_000,
}, async () => {
  const [log, input] = [join(folder, 'console.log'), join(folder, 'input')];
  await writeFile(input, 'unread\n');
  // In the place of virtlogd a program that has the pipe and reads nothing; in QEMU's one that writes what the file gets.
  const script = 'exec 3< <(tail -n +1 -f "$0"); exec tail -f /dev/null';
  const reader = makeSpawn()('bash', ['-c', script, input], { stdout: 'ignore', stderr: 'ignore' });
  const started = async () => ((await readFile(`/proc/${reader.pid}/comm`, 'utf8')) === 'tail\n' ? true : undefined);
  await waitFor('the reader', started, 10_000);
  const heir = await waitFor<ConsoleHeir>('the pipe', () => makeConsoleHeir(reader.pid ?? 0, log), 10_000);
  reader.kill('SIGKILL');
  await reader.exited;
  heir.takeOver();
  await appendFile(input, 'after\n');
  const lines = () => readFile(log, 'utf8').then((text) => (text.includes('after') ? text : undefined));
  expect(await waitFor('the log', lines, 10_000)).toBe('unread\nafter\n');
  await heir.stop();
  // Its pipe is closed now: this ends it.
  await appendFile(input, 'more\n');
});

test('a process without such a pipe has no heir', async () => {
  expect(await makeConsoleHeir(0, join(folder, 'console.log'))).toBeUndefined();
});
