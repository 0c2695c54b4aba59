import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeSpawn } from '@virtainers/core';
import { expect, onTestFinished, test } from 'vitest';
import { whileFrozen } from './freeze.ts';

/** What virsh is asked for stands in a file; it succeeds unless a file `no-WORD` is there, which the news of the agent removes. */
const VIRSH = `#!/bin/sh
echo "$1 $2" >> "$0.said"
if [ "$1" = event ]; then rm -f "$0.no-domfsthaw"; exit 1; fi
test ! -e "$0.no-$1"
`;

async function guest(frozen: boolean, ...failing: readonly string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers-freeze-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const program = join(folder, 'virsh');
  await writeFile(program, VIRSH);
  await chmod(program, 0o755);
  for (const word of failing) await writeFile(`${program}.no-${word}`, '');
  const words = { command: [program], domain: 'vm', env: {} };
  const said = async () => (await readFile(`${program}.said`, 'utf8').catch(() => '')).trim().split('\n');
  return { virsh: { freeze: async () => frozen, words }, said };
}

test.for([true, false])('frozen: %s; what is done is done before the thaw', async (answers) => {
  const { virsh, said } = await guest(answers);
  const { frozen, result } = await whileFrozen(makeSpawn(), virsh, said);
  expect({ frozen, result }).toEqual({ frozen: answers, result: [''] });
  expect(await said()).toEqual(['domfsthaw vm']);
});

test('what fails in between is thawed too', async () => {
  const { virsh, said } = await guest(true);
  const failing = whileFrozen(makeSpawn(), virsh, () => Promise.reject(new Error('no job')));
  await expect(failing).rejects.toThrow('no job');
  expect(await said()).toEqual(['domfsthaw vm']);
});

test('a thaw that fails is tried again when there is news of the agent', async () => {
  const { virsh, said } = await guest(true, 'domfsthaw');
  await whileFrozen(makeSpawn(), virsh, async () => undefined);
  expect(await said()).toEqual(['domfsthaw vm', 'domstate vm', 'event --domain', 'domfsthaw vm']);
});

test('not where the domain is gone, nor where nothing was frozen', async () => {
  const gone = await guest(true, 'domfsthaw', 'domstate');
  await whileFrozen(makeSpawn(), gone.virsh, async () => undefined);
  expect(await gone.said()).toEqual(['domfsthaw vm', 'domstate vm']);
  const never = await guest(false, 'domfsthaw');
  await whileFrozen(makeSpawn(), never.virsh, async () => undefined);
  expect(await never.said()).toEqual(['domfsthaw vm']);
});
