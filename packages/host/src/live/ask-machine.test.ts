import { PassThrough } from 'node:stream';
import type { Child } from '@virtainers/core';
import { expect, test } from 'vitest';
import type { FoundContainer } from '../engine/container.ts';
import { containerOf } from '../testing/container.ts';
import { contextOf } from '../testing/context.ts';
import { askMachine } from './ask-machine.ts';

/** A supervisor that says `lines` and, unless it fails, stays until its input ends. */
function supervisor(lines: readonly string[], failure?: string): FoundContainer {
  const converse = (): Child => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    for (const line of lines) stdout.write(`${line}\n`);
    const gone = new Promise<void>((resolve) => {
      if (failure === undefined) stdin.resume().once('end', resolve);
      else stderr.end(failure, resolve);
    });
    const exited = gone.then(() => {
      stdout.end();
      return { exitCode: failure === undefined ? 0 : 64, signal: null };
    });
    return { pid: 1, stdin, stdout, stderr, exited, kill: () => undefined };
  };
  return { client: { converse, dialect: { program: 'docker' } }, facts: containerOf({}) } as unknown as FoundContainer;
}

const ask = (found: FoundContainer) => askMachine(contextOf({}), found, ['copy'], 'copied');
const copied = { kind: 'copied', path: '/mounted/local_image.copy.qcow2', size: 5, frozen: true, snapshots: 0 };

test('the answer comes after news of progress, and what is held is held until the end', async () => {
  const progress = { kind: 'progress', done: 1, total: 5 };
  const { answer, end } = await ask(supervisor([JSON.stringify(progress), 'noise', JSON.stringify(copied)]));
  expect(answer).toEqual(copied);
  await end();
});

test('what the supervisor could not do is the same error here, with the container named', async () => {
  const line = JSON.stringify({ kind: 'error', code: 'DISK_FULL', message: 'no room', hint: 'free some' });
  await expect(ask(supervisor([line]))).rejects.toMatchObject({
    ...{ code: 'DISK_FULL', message: 'box: no room', hint: 'free some' },
  });
});

test('a supervisor that is too old for the verb is called so, with the next step', async () => {
  const words = 'virtainers: error: reading the command line:\n  copy: neither a command nor an option of QEMU';
  await expect(ask(supervisor([], words))).rejects.toMatchObject({
    ...{ code: 'COMMAND_FAILED', message: expect.stringMatching(/older virtainers.*`copy`/) },
    hint: expect.stringContaining('docker stop box'),
  });
});
