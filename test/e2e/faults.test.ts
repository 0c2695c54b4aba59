import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freeBytes } from '@virtainers/core';
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
import { type Life, startLife } from '../helpers/faults/recorder.ts';
import { exec } from '../helpers/process.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { COMMAND, fastImage, RUNTIME, virtainers } from '../helpers/virtainer.ts';

const MIB = 1024 ** 2;

const fast = fastDocker();
let machine: Recorder | undefined;
const begun = Date.now();
let rounds = 0;
let registry: Registry;
/** Of somebody who has baked nothing. */
let cache: string;

beforeAll(async () => {
  console.log(`VIRTAINERS_SEED=${SEED}`);
  registry = await startRegistry({ listen: '0.0.0.0' });
  cache = join(await tempFolder('faults'), 'cache');
});

afterAll(async () => {
  const seconds = Math.round((Date.now() - begun) / 1000);
  console.log(
    `${rounds} rounds in ${seconds} s; ${machine?.acknowledged ?? 0} records acknowledged by the last machine`,
  );
  await machine?.remove();
  await registry?.stop();
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
  { name: 'publish of a stopped machine, interrupted', before: interruptPublish, strike: kill },
  {
    name: 'publish of a running machine, interrupted',
    strike: async (it, life, chance, round) => {
      await life.more(1);
      await interruptPublish(it, chance, round);
      await life.more(10);
      await kill(it, life, chance, round);
    },
  },
  { name: 'snapshot of a running machine, interrupted', strike: interruptSnapshot },
  { name: 'memory that is saved and resumed, interrupted', strike: interruptSave },
  { name: 'the data folder copied to another host', strike: moveAway },
  { name: 'the data folder copied while the machine runs', strike: copyRunning },
];

/** Ended at a random moment by a signal that leaves it no time, or by one that does; in the last round it is let run to its end. */
async function interruptPublish(it: Recorder, chance: Chance, round: number): Promise<void> {
  const reference = `${it.docker.host}:${registry.port}/me/box:${round}`;
  const options = ['--insecure', '--engine', 'docker', '--cache-dir', cache, '--base', (await fastImage()).archive];
  const words = [COMMAND, 'publish', it.name, reference, ...options];
  const child = it.docker.spawn(process.execPath, words, { stdout: 'ignore' });
  await Promise.race([child.exited, chance.moment(4000)]);
  child.kill(chance.whole(2) === 0 ? 'SIGKILL' : 'SIGTERM');
  await child.exited;
  if (round < ROUNDS) return;
  await it.docker.exec(process.execPath, words);
  await virtainers('inspect', `127.0.0.1:${registry.port}/me/box:${round}`, '--insecure');
}

/** The command or the container is killed in the middle of it; the next start puts the disk in order. */
async function interruptSnapshot(it: Recorder, life: Life, chance: Chance, round: number): Promise<void> {
  const snapshot = (...words: readonly string[]) => [COMMAND, 'snapshot', ...words, '--engine', 'docker'];
  await life.more(1 + chance.whole(60));
  const child = it.docker.spawn(process.execPath, snapshot('create', it.name, `state-${round}`), { stdout: 'ignore' });
  await Promise.race([child.exited, chance.moment(3000)]);
  if (chance.whole(2) === 0) child.kill('SIGKILL');
  await it.docker.command('kill', it.name);
  await Promise.all([life.ended, child.exited]);
  const next = it.start();
  await next.more(1 + chance.whole(20));
  expect(next.found).toBeGreaterThanOrEqual(life.acknowledged);
  await it.docker.command('kill', it.name);
  await next.ended;
  it.acknowledged = Math.max(it.acknowledged, next.acknowledged);
  const listed = await it.docker.exec(process.execPath, [...snapshot('ls', it.name), '--json']);
  const names = (JSON.parse(listed.stdout) as { name: string }[]).map(({ name }) => name);
  if (names.length > 0) await it.docker.exec(process.execPath, snapshot('rm', it.name, ...names));
}

/** A container that saves is killed while it does, or its next life while it resumes, or neither. */
async function interruptSave(it: Recorder, life: Life, chance: Chance, round: number): Promise<void> {
  await kill(it, life, chance, round);
  it.acknowledged = Math.max(it.acknowledged, life.acknowledged);
  const name = `${it.name}-saving`;
  await it.create(name, it.data, '-e', 'STOP_ACTION=save');
  try {
    const saving = startLife(it.docker, name);
    await saving.more(1 + chance.whole(60));
    const stopped = it.docker.command('stop', '-t', '60', name);
    if (round % 3 === 1) {
      await chance.moment(2000);
      await it.docker.command('kill', name).catch(() => undefined);
    }
    await Promise.all([stopped, saving.ended]);
    it.acknowledged = Math.max(it.acknowledged, saving.acknowledged);
    if (round % 3 === 2) {
      const resuming = startLife(it.docker, name);
      await chance.moment(6000);
      await it.docker.command('kill', name);
      await resuming.ended;
      it.acknowledged = Math.max(it.acknowledged, resuming.acknowledged);
    }
    const next = startLife(it.docker, name);
    await next.more(1 + chance.whole(20));
    if (next.found !== undefined) expect(next.found).toBeGreaterThanOrEqual(it.acknowledged);
    await it.docker.command('kill', name);
    await next.ended;
    it.acknowledged = Math.max(it.acknowledged, next.acknowledged);
  } finally {
    await it.docker.command('rm', '--force', name);
  }
}

/** The machine is killed; its folder, copied as another owner's, runs in a container of its own. */
async function moveAway(it: Recorder, life: Life, chance: Chance, round: number): Promise<void> {
  await kill(it, life, chance, round);
  it.acknowledged = Math.max(it.acknowledged, life.acknowledged);
  const folder = await copyOf(it, round);
  await exec('chown', ['--recursive', '4321:4321', folder]);
  await runCopy(it, folder, async (copy) => {
    await copy.more(1);
    expect(copy.found).toBeGreaterThanOrEqual(it.acknowledged);
  });
}

/** Such a copy is of no one moment. It works, or is refused with the reason; in either case it is said what it is. */
async function copyRunning(it: Recorder, life: Life, chance: Chance, round: number): Promise<void> {
  await life.more(1 + chance.whole(60));
  const before = life.acknowledged;
  const folder = await copyOf(it, round);
  await it.docker.command('kill', it.name);
  await runCopy(it, folder, async (copy) => {
    const runs = copy.more(1).then(() => 'runs' as const);
    const torn = copy.said(/records: the write of \d+ failed|Kernel panic/).then(() => 'torn' as const);
    const end = await Promise.race([runs, torn, copy.ended]);
    for (const each of [runs, torn]) each.catch(() => undefined);
    expect(copy.output).toMatch(/copy that was made while its machine ran|copied while its machine ran/);
    if (end === 'runs') expect(copy.found).toBeGreaterThanOrEqual(before);
    else if (end !== 'torn') expect(end).toBe(65);
    console.log(`  the copy: ${end}, ${copy.found} records found of ${before}`);
  });
}

async function copyOf({ disk, data }: Recorder, round: number): Promise<string> {
  const folder = join(disk, `copy-${round}`);
  await exec('cp', ['--recursive', data, folder]);
  return folder;
}

async function runCopy(it: Recorder, folder: string, look: (copy: Life) => Promise<void>): Promise<void> {
  const name = `${it.name}-copy`;
  await it.create(name, folder);
  const copy = startLife(it.docker, name);
  try {
    await look(copy);
  } catch (error) {
    throw new Error(`the copy: ${String(error)}\n${copy.output}`, { cause: error });
  } finally {
    await it.docker.command('rm', '--force', name);
    await rm(folder, { recursive: true });
  }
}

/** Perhaps before the start; then there is room again, or the machine ends as it is. */
async function fillDisk(machine: Recorder, life: Life, chance: Chance, round: number): Promise<void> {
  const { docker, name, disk } = machine;
  const filler = join(disk, 'filler');
  const full = life.said(/cannot grow: no room left/);
  const rest = chance.whole(2 * MIB);
  if (chance.whole(4) > 0 || machine.acknowledged === 0) await life.more(1 + chance.whole(60));
  await fillUp(disk, filler, rest);
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

/** Leaves `rest` bytes, or less: a guest that writes meanwhile takes what was just counted. */
async function fillUp(disk: string, filler: string, rest: number): Promise<void> {
  for (let tries = 0; tries < 10; tries += 1) {
    const length = String((await freeBytes(disk)) - rest);
    const { exitCode } = await exec('fallocate', ['--length', length, filler], { allowFailure: true });
    if (exitCode === 0) return;
    await rm(filler, { force: true });
  }
  throw new Error(`${disk} cannot be filled`);
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
