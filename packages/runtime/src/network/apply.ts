import { type Exec, type Log, logOutput, type Spawn } from '@virtainers/core';
import type { NetworkPlan } from './mode.ts';

export interface AppliedNetwork {
  /** Ends the daemons and undoes the commands in reverse. */
  undo(): Promise<void>;
}

/** Carries out a plan: the only place that changes the container's network. */
export async function applyNetwork(exec: Exec, spawn: Spawn, plan: NetworkPlan, log: Log): Promise<AppliedNetwork> {
  const undos: (() => Promise<void>)[] = [];
  const undo = async () => {
    for (const step of undos.splice(0).reverse()) await step();
  };
  try {
    for (const { file, args, input, undo: inverse } of plan.commands) {
      await exec(file, args, { input });
      if (inverse) undos.push(async () => void (await exec(inverse.file, inverse.args, { allowFailure: true })));
    }
    for (const { file, args } of plan.daemons) {
      const child = spawn(file, args, { detached: true });
      logOutput(child, file, log);
      undos.push(async () => {
        child.kill('SIGTERM');
        await child.exited;
      });
    }
  } catch (error) {
    await undo();
    throw error;
  }
  return { undo };
}

/** What is left of an earlier life of this container, whose namespace outlived it. */
export async function clearNetwork(exec: Exec, plan: NetworkPlan): Promise<void> {
  for (const { undo } of [...plan.commands].reverse()) {
    if (undo) await exec(undo.file, undo.args, { allowFailure: true });
  }
}
