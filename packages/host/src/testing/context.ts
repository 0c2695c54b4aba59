import type { Exec, ExecResult, Spawn } from '@virtainers/core';
import type { HostContext } from '../context.ts';

/** Answers by the argv it is asked with; an argv that nobody foresaw fails the test. */
export function execOf(answers: Readonly<Record<string, Partial<ExecResult>>>): Exec {
  return async (file, args) => {
    const line = [file, ...args].join(' ');
    const answer = answers[line];
    if (!answer) throw new Error(`not foreseen: ${line}`);
    return { stdout: '', stderr: '', exitCode: 0, ...answer };
  };
}

const noSpawn: Spawn = (file) => {
  throw new Error(`not foreseen: ${file}`);
};

export function contextOf(changes: Partial<HostContext>): HostContext {
  const nothing = () => undefined;
  return {
    exec: execOf({}),
    spawn: noSpawn,
    log: { info: nothing, warn: nothing, debug: nothing },
    env: {},
    home: '/nonexistent',
    kernel: '6.1.0',
    ...changes,
  };
}
