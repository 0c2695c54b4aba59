import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fastDocker } from '../helpers/fast-docker.ts';
import type { Chance } from '../helpers/faults/chance.ts';
import {
  type Fault,
  killProcess,
  makeRecorder,
  playRound,
  type Recorder,
  ROUNDS,
  randomMoment,
  SEED,
  type Strike,
} from '../helpers/faults/matrix.ts';
import type { Life } from '../helpers/faults/recorder.ts';
import { exec } from '../helpers/process.ts';
import { RUNTIME } from '../helpers/virtainer.ts';

const MIB = 1024 ** 2;

const fast = fastDocker();
let machine: Recorder | undefined;
const begun = Date.now();
let rounds = 0;

beforeAll(() => console.log(`VIRTAINERS_SEED=${SEED}`));

afterAll(async () => {
  const seconds = Math.round((Date.now() - begun) / 1000);
  console.log(
    `${rounds} rounds in ${seconds} s; ${machine?.acknowledged ?? 0} records acknowledged by the last machine`,
  );
  await machine?.remove();
});

const kill: Strike = async ({ docker, name }, life, chance) => {
  await randomMoment(life, chance);
  await docker.command('kill', name);
  expect(await life.ended).toBe(137);
};

/** What breaks, and how a life ends by it. */
const FAULTS: readonly Fault[] = [
  { name: 'SIGKILL of the container', strike: kill },
  {
    name: 'SIGKILL of qemu',
    strike: async (it, life, chance) => {
      await life.said('the domain runs');
      await randomMoment(life, chance);
      await killProcess(it, /qemu-system-x86_64 .*guest=vm/);
      expect(await life.ended).toBe(70);
    },
  },
  {
    name: 'SIGKILL of node',
    strike: async (it, life, chance) => {
      await life.said('libvirt: ');
      await randomMoment(life, chance);
      await killProcess(it, /node \S+runtime\.mjs$/);
      expect(await life.ended).toBe(137);
    },
  },
  {
    name: 'docker stop with a short timeout',
    strike: async ({ docker, name }, life, chance) => {
      await randomMoment(life, chance);
      await docker.command('stop', '-t', String(chance.whole(3)), name);
      // 143: the supervisor's program was not running yet.
      expect([0, 71, 137, 143]).toContain(await life.ended);
    },
  },
  { name: 'no room on the disk of the data folder', strike: fillDisk },
];

/** Perhaps before the start; then there is room again, or the machine ends as it is. */
async function fillDisk(machine: Recorder, life: Life, chance: Chance, round: number): Promise<void> {
  const { docker, name, disk } = machine;
  const filler = join(disk, 'filler');
  const { bavail, bsize } = await statfs(disk);
  const full = life.said(/cannot grow: no room left/);
  if (chance.whole(4) > 0 || machine.acknowledged === 0) await life.more(1 + chance.whole(60));
  await exec('fallocate', ['--length', String(bavail * bsize - chance.whole(2 * MIB)), filler]);
  await full;
  const status = async () => JSON.parse(await docker.command('exec', name, 'node', RUNTIME, 'status'));
  expect(await status()).toMatchObject({ state: 'degraded', message: expect.stringContaining('local_image.qcow2') });
  try {
    const ways = [
      async () => {
        const again = life.said('has room again');
        await rm(filler);
        await again;
        await life.more(10);
        expect(await status()).not.toHaveProperty('message');
        await docker.command('kill', name);
      },
      async () => {
        await docker.command('stop', '-t', '60', name);
        expect(await life.ended).toBe(71);
        expect(life.output).toContain('paused until /mounted/local_image.qcow2 has room, and was destroyed');
      },
      async () => {
        await docker.command('kill', name);
      },
    ];
    await ways[round % ways.length]?.();
  } finally {
    await rm(filler, { force: true });
  }
}

for (const fault of FAULTS) {
  test(fault.name, { timeout: ROUNDS * 120_000 }, async () => {
    machine ??= await makeRecorder(fast);
    try {
      for (let round = 1; round <= ROUNDS; round += 1) {
        console.log(`${fault.name}, ${round}: ${await playRound(machine, fault, round)}`);
        rounds += 1;
      }
    } catch (error) {
      // Said at once; and the next fault is not to suffer from this one.
      console.error(String(error));
      await machine.remove();
      machine = undefined;
      throw error;
    }
  });
}
