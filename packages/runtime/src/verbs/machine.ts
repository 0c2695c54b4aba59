import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Answer,
  type DataPaths,
  dataPaths,
  type Exec,
  errorAnswer,
  IN_IMAGE,
  type Spawn,
  type Status,
  statusSchema,
  takeFileLock,
  toolMissing,
  VirtainersError,
} from '@virtainers/core';
import type { Driver } from '../daemon/driver.ts';
import type { Users } from '../disk/data-folder.ts';
import { makeVirsh, type Virsh } from '../domain/virsh.ts';

/** What a verb about the disk of the machine that runs in this container is handed. */
export interface MachineDeps {
  readonly exec: Exec;
  readonly spawn: Spawn;
  readonly driver: Driver;
  readonly statusPath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly answer: (answer: Answer) => void;
  /** Resolves when nobody is there any more to hear the answer. */
  readonly inputEnded: Promise<void>;
}

/** A machine whose disk nobody else does anything with. */
export interface LiveMachine {
  readonly virsh: Virsh;
  readonly paths: DataPaths;
  readonly users: Users;
  readonly shares: NonNullable<Status['shares']>;
  readonly disks: NonNullable<Status['disks']>;
}

/**
 * Does `use` with the running machine; failures are answered. One at a time: DATA_IN_USE; CONTAINER_STOPPED where the guest does
 * not run. Gives back the exit code.
 */
export async function withMachine(deps: MachineDeps, use: (machine: LiveMachine) => Promise<void>): Promise<number> {
  const { spawn, driver, answer } = deps;
  try {
    const lock = await takeFileLock(spawn, join(driver.runFolder, 'disk.lock'));
    if ('reason' in lock) {
      if (lock.reason === 'no flock') throw toolMissing('flock');
      throw new VirtainersError(
        'DATA_IN_USE',
        `using the guest's disk: ${lock.reason === 'busy' ? 'it is being copied, or a snapshot is made' : lock.message}`,
        {
          hint: 'wait for the end of the other command',
        },
      );
    }
    try {
      await use(await findMachine(deps));
      return 0;
    } finally {
      await lock.release();
    }
  } catch (error) {
    answer(errorAnswer(error));
    return error instanceof VirtainersError ? error.exitCode : 1;
  }
}

async function findMachine({ exec, spawn, driver, statusPath, env }: MachineDeps): Promise<LiveMachine> {
  const text = await readFile(statusPath, 'utf8').catch(() => undefined);
  const status = text === undefined ? undefined : statusSchema.parse(JSON.parse(text));
  const virsh = status && makeVirsh(exec, spawn, { uri: driver.uri, env: driver.env, domain: status.vmName });
  const state = await virsh?.state();
  if (!virsh || state === undefined) {
    throw new VirtainersError('CONTAINER_STOPPED', 'looking for the guest: it does not run, yet or any more', {
      hint: 'wait until it is ready: virtainers wait NAME',
    });
  }
  const { IMAGE_DIR } = env;
  return {
    virsh,
    shares: status?.shares ?? [],
    disks: status?.disks ?? [],
    paths: dataPaths((IMAGE_DIR || IN_IMAGE.data).replace(/(.)\/+$/, '$1')),
    users: { asRoot: driver.kind === 'system', qemu: { uid: driver.uid, gid: driver.gid } },
  };
}
