import { type Child, type Exec, type ExecResult, type Spawn, VirtainersError } from '@virtainers/core';
import type { ToolRoot } from '../root/tool-root.ts';

/** One qemu-img, kept on a leash: what it may use is bounded, whatever the disk makes it do. */
export interface QemuTool {
  /** Names the program in cache keys and labels: same identity, same bytes. */
  readonly identity: string;
  /** As `qemu-img --version` says it: `10.0.2`. */
  readonly version: string;
  run(args: readonly string[], limits: Limits, signal?: AbortSignal): Promise<ExecResult>;
  spawn(args: readonly string[], limits: Limits): Child;
}

export interface Limits {
  /** Bytes of address space. */
  readonly memory: number;
  /** CPU seconds; none for work that grows with the disk. */
  readonly cpuSeconds?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

type Command = (args: readonly string[]) => {
  file: string;
  args: readonly string[];
  env?: Readonly<Record<string, string>>;
};

/** The tool root's qemu-img: the same bytes on every host. */
export async function rootQemuTool(exec: Exec, spawn: Spawn, tools: ToolRoot): Promise<QemuTool> {
  return makeQemuTool(exec, spawn, (args) => tools.command('qemu-img', args), `tools ${tools.digest}`);
}

/** The host's qemu-img: all that baking on a published runtime needs beside Node. */
export async function hostQemuTool(exec: Exec, spawn: Spawn): Promise<QemuTool> {
  return makeQemuTool(exec, spawn, (args) => ({ file: 'qemu-img', args }), 'host');
}

async function makeQemuTool(exec: Exec, spawn: Spawn, command: Command, origin: string): Promise<QemuTool> {
  const plain = command(['--version']);
  const { stdout } = await exec(plain.file, plain.args, { env: plain.env, timeoutMs: 30_000 });
  const version = /version (\d+(?:\.\d+)+)/.exec(stdout)?.[1];
  if (!version)
    throw new VirtainersError('TOOL_MISSING', `qemu-img --version says ${JSON.stringify(stdout.slice(0, 80))}`);
  return {
    identity: `${origin} qemu-img ${version}`,
    version,
    run: (args, limits, signal) => {
      const call = command(args);
      return exec('prlimit', prlimitArgs(call, limits), {
        env: call.env,
        timeoutMs: limits.timeoutMs,
        signal,
        allowFailure: true,
      });
    },
    spawn: (args, limits) => {
      const call = command(args);
      return spawn('prlimit', prlimitArgs(call, limits), { env: call.env });
    },
  };
}

/** prlimit(1): the limits hold from the program's first instruction. */
function prlimitArgs(call: ReturnType<Command>, limits: Limits): string[] {
  return [
    `--as=${limits.memory}`,
    '--core=0',
    ...(limits.cpuSeconds === undefined ? [] : [`--cpu=${limits.cpuSeconds}`]),
    '--',
    call.file,
    ...call.args,
  ];
}
