import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Engine } from '../engines.ts';
import { FAST_OPTIONS, type FastDocker } from '../fast-docker.ts';
import { fastGuest } from '../fast-guest.ts';
import { repository } from '../folders.ts';
import { exec, requireTool } from '../process.ts';
import { type Chance, chanceOf } from './chance.ts';
import { readBack } from './read-back.ts';
import { type Life, startLife } from './recorder.ts';

export const SOAK = Boolean(process.env['VIRTAINERS_SOAK']);
export const ROUNDS = SOAK ? 20 : 3;
/** Of every random moment; a failure names it, and given again it makes the same moments. */
export const SEED = process.env['VIRTAINERS_SEED'] ?? String(Date.now());

/** A machine whose guest writes records, on a file system of its own. */
export interface Recorder {
  readonly docker: Engine;
  /** Of its container. */
  readonly name: string;
  /** Where that file system is mounted. */
  readonly disk: string;
  /** The data folder on it. */
  readonly data: string;
  /** The most that the guest has ever acknowledged. */
  acknowledged: number;
  start(): Life;
  /** Another container of the same image with that data folder, and options of its own; the caller removes it. */
  create(name: string, data: string, ...options: readonly string[]): Promise<void>;
  remove(): Promise<void>;
}

const FILE_SYSTEM = 700 * 1024 ** 2;
let machines = 0;

export async function makeRecorder(fast: FastDocker): Promise<Recorder> {
  await requireTool('mke2fs', 'mount', 'umount', 'truncate');
  const { docker } = fast;
  machines += 1;
  const name = `recorder${machines}`;
  const disk = await docker.folder(name);
  await exec('truncate', ['--size', String(FILE_SYSTEM), `${disk}.img`]);
  await exec('mke2fs', ['-q', '-t', 'ext4', '-m', '0', `${disk}.img`]);
  await exec('mount', ['-o', 'loop', `${disk}.img`, disk]);
  const data = join(disk, 'data');
  await mkdir(data);
  const records = join(repository, 'test/fixtures/records');
  const create = async (container: string, folder: string, ...options: readonly string[]) => {
    const mounts = ['-v', `${folder}:/mounted`, '-v', `${records}:/tmp/user-data:ro`];
    await docker.command(
      ...['create', '--name', container, ...FAST_OPTIONS, '-e', 'STOP_TIMEOUT=5', ...options, ...mounts, fast.image],
    );
  };
  await create(name, data);
  return {
    ...{ docker, name, disk, data, create },
    acknowledged: 0,
    start: () => startLife(docker, name),
    remove: async () => {
      await docker.command('rm', '--force', name);
      await exec('umount', [disk]);
    },
  };
}

/** What a round of a fault does to a machine that runs; when it returns the container has ended, or will at once. */
export type Strike = (machine: Recorder, life: Life, chance: Chance, round: number) => Promise<void>;

/** A fault of the matrix. */
export interface Fault {
  readonly name: string;
  /** Done to the machine at rest, before its next start. */
  readonly before?: (machine: Recorder, chance: Chance, round: number) => Promise<void>;
  readonly strike: Strike;
}

/** Starts the machine, strikes, and looks whether anything that was acknowledged is missing. Returns a line about it. */
export async function playRound(machine: Recorder, { name, before, strike }: Fault, round: number): Promise<string> {
  const chance = chanceOf(SEED, `${name} ${round}`);
  const known = machine.acknowledged;
  let life: Life | undefined;
  try {
    await before?.(machine, chance, round);
    life = machine.start();
    await strike(machine, life, chance, round);
    await life.ended;
    return await lookBack(machine, life, known);
  } catch (error) {
    const replay = `VIRTAINERS_SEED=${SEED} VIRTAINERS_SOAK=1 npx vitest run --project e2e faults -t '${name}'`;
    throw new Error(`${name}, round ${round} (${replay}): ${String(error)}\n${life?.output ?? ''}`, { cause: error });
  }
}

/** `known`: how many had been acknowledged before this life. */
async function lookBack(machine: Recorder, life: Life, known: number): Promise<string> {
  machine.acknowledged = Math.max(machine.acknowledged, life.acknowledged);
  const { records, leaks } = await readBack(machine.data, await fastGuest());
  expect(records, 'records on the disk').toBeGreaterThanOrEqual(machine.acknowledged);
  // A boot that has found them has been looked at by the guest too.
  if (life.found !== undefined) expect(life.found, 'records that the guest found').toBeGreaterThanOrEqual(known);
  return `${life.found ?? 'not yet'} found, ${machine.acknowledged} acknowledged, ${records} on the disk, ${leaks} leaks`;
}

/** One in four before the guest writes, perhaps before it is started at all; else between two records. */
export async function randomMoment(life: Life, chance: Chance): Promise<void> {
  if (chance.whole(4) === 0) await chance.moment(9000);
  else {
    await life.more(1 + chance.whole(60));
    await chance.moment(100);
  }
}

/** Kills the process of the machine's container whose command line matches, once there is one; by its id on the host. */
export async function killProcess({ docker, name }: Recorder, command: RegExp): Promise<void> {
  const table = await docker.command('top', name, '-eo', 'pid,args');
  const row = table.split('\n').find((line) => command.test(line));
  if (!row) throw new Error(`no ${command} in:\n${table}`);
  process.kill(Number.parseInt(row, 10), 'SIGKILL');
}
