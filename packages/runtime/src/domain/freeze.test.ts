import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSpawn } from '@virtainers/core';
import { expect, onTestFinished, test } from 'vitest';
import { whileFrozen } from './freeze.ts';

/** An agent whose thaw leaves a file behind. */
async function guest(frozen: boolean) {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers-freeze-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const thawed = join(folder, 'thawed');
  const thaw = ['sh', '-c', 'echo thawed > "$1"', 'thaw', thawed] as const;
  return { virsh: { freeze: async () => frozen, thaw }, thawed: () => readFile(thawed, 'utf8').catch(() => 'frozen') };
}

test.for([true, false])('frozen: %s; what is done is done before the thaw', async (answers) => {
  const { virsh, thawed } = await guest(answers);
  const { frozen, result } = await whileFrozen(makeSpawn(), virsh, thawed);
  expect({ frozen, result }).toEqual({ frozen: answers, result: 'frozen' });
  expect(await thawed()).toBe('thawed\n');
});

test('what fails in between is thawed too', async () => {
  const { virsh, thawed } = await guest(true);
  const failing = whileFrozen(makeSpawn(), virsh, () => Promise.reject(new Error('no job')));
  await expect(failing).rejects.toThrow('no job');
  expect(await thawed()).toBe('thawed\n');
});
