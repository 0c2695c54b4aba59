import { rm } from 'node:fs/promises';
import { type Exec, type Log, logOutput, type Spawn, VirtainersError } from '@virtainers/core';
import { isOurs } from './devices.ts';
import { isBare, recoveries } from './memory.ts';
import type { Command, NetworkPlan } from './mode.ts';
import type { NetworkSnapshot } from './snapshot.ts';
import { makeTapNode } from './tap-node.ts';

export interface AppliedNetwork {
  /** Settles when a daemon ends by itself. */
  readonly failed: Promise<VirtainersError>;
  /** Ends the daemons and undoes the commands in reverse. */
  undo(): Promise<void>;
}

/** Carries out a plan: the only place that changes the container's network. */
export async function applyNetwork(exec: Exec, spawn: Spawn, plan: NetworkPlan, log: Log): Promise<AppliedNetwork> {
  const undos: (() => Promise<void>)[] = [];
  const failures: Promise<VirtainersError>[] = [];
  const undo = async () => {
    for (const step of undos.splice(0).reverse()) await step();
  };
  try {
    for (const { file, args, input, undo: inverse } of plan.nics.flatMap(({ commands }) => commands)) {
      await exec(file, args, { input });
      if (!inverse) continue;
      const options = { input: inverse.input, allowFailure: true };
      undos.push(async () => void (await exec(inverse.file, inverse.args, options)));
    }
    for (const tap of plan.nics.flatMap(({ tapNode }) => tapNode ?? [])) {
      const path = await makeTapNode(exec, tap);
      undos.push(() => rm(path, { force: true }));
    }
    for (const command of plan.nics.flatMap(({ daemons }) => daemons)) {
      const daemon = runDaemon(spawn, command, log);
      failures.push(daemon.failed);
      undos.push(daemon.stop);
    }
  } catch (error) {
    await undo();
    throw error;
  }
  return { undo, failed: Promise.race(failures) };
}

/** One that is killed is started again: it keeps nothing that the guest has not. One that gives up is an error. */
function runDaemon(spawn: Spawn, { file, args }: Command, log: Log) {
  let stopping = false;
  const start = () => {
    const child = spawn(file, args, { detached: true });
    return { child, tail: logOutput(child, file, log) };
  };
  let running = start();
  const watch = async (): Promise<VirtainersError> => {
    const { exitCode, signal } = await running.child.exited;
    if (stopping) return new Promise(() => undefined);
    if (signal === null) {
      return new VirtainersError('DAEMON_FAILED', `${file} ended with exit code ${exitCode}${running.tail()}`);
    }
    log.warn(`${file} was killed (${signal}); it is started again`);
    running = start();
    return watch();
  };
  const stop = async () => {
    stopping = true;
    running.child.kill('SIGTERM');
    await running.child.exited;
  };
  return { failed: watch(), stop };
}

/**
 * Gives back to the container what an earlier life of it, which was killed, had given to its guest; the names of the
 * interfaces. Never in the host's namespace. The snapshot is then another.
 */
export async function recoverNetwork(exec: Exec, snapshot: NetworkSnapshot): Promise<readonly string[]> {
  if (!snapshot.links.some(isBare)) return [];
  const { stdout } = await exec('nft', ['list', 'ruleset'], { allowFailure: true });
  const found = recoveries(stdout, snapshot);
  for (const { file, args, input } of found.flatMap(({ commands }) => commands)) {
    await exec(file, args, { input, allowFailure: true });
  }
  return found.map(({ link }) => link);
}

/**
 * What is left of an earlier life of this container, whose namespace outlived it. Where there is no device of ours nothing
 * is: they are made before all else of a plan, and go last.
 */
export async function clearNetwork(exec: Exec, { links }: NetworkSnapshot, plan: NetworkPlan): Promise<void> {
  if (!links.some(({ name }) => isOurs(name))) return;
  for (const { file, args } of plan.nics.flatMap(({ leftovers }) => leftovers)) {
    await exec(file, args, { allowFailure: true });
  }
}
