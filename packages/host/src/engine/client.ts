import type { Child, ExecResult, SpawnOptions } from '@virtainers/core';
import { parseJson, VirtainersError } from '@virtainers/core';
import type { HostContext } from '../context.ts';
import { type ContainerFacts, type ImageFacts, parseContainer, parseImage } from './facts.ts';
import type { Engine } from './find.ts';
import type { NetworkFacts } from './network.ts';
import { plainLines } from './plain-lines.ts';

/** One engine, its verbs. Every one is a single command that Docker and Podman understand alike. */
export interface EngineClient extends Engine {
  /** Undefined: no such container. */
  container(name: string): Promise<ContainerFacts | undefined>;
  /** Undefined: not in the local store. */
  image(reference: string): Promise<ImageFacts | undefined>;
  pull(reference: string): Promise<void>;
  /** Names of all containers, running or not. */
  containerNames(): Promise<string[]>;
  volumeExists(name: string): Promise<boolean>;
  /** Undefined: no such network. */
  network(name: string): Promise<NetworkFacts | undefined>;
  networks(): Promise<NetworkFacts[]>;
  /** `args` as network/plan.ts made them, without the program. */
  createNetwork(args: readonly string[]): Promise<void>;
  /** Commands as run-plan.ts made them, without the program; the first makes the container. Gives back its id. */
  run(commands: readonly (readonly string[])[]): Promise<string>;
  /** The last `lines` lines that the container wrote, as plain text. */
  logTail(name: string, lines: number): Promise<string[]>;
  /** Copies a file of the container, which need not run, to a path of this machine. */
  copyOut(name: string, from: string, to: string): Promise<void>;
  /** Writes an image into a file, for `load`. */
  saveImage(image: string, file: string): Promise<void>;
  /** A program in the container, to its end; a failure is given back. */
  exec(name: string, argv: readonly string[]): Promise<ExecResult>;
  /** A program in the container that hears us: it is told by the end of its input when we are gone. */
  converse(name: string, argv: readonly string[]): Child;
  /** A program in the container, beside us. */
  spawn(name: string, argv: readonly string[], options?: SpawnOptions): Child;
}

export function makeClient(context: HostContext, engine: Engine): EngineClient {
  const { program } = engine.dialect;
  const call = (args: readonly string[], allowFailure = false) =>
    context.exec(program, args, { allowFailure, signal: context.signal });
  const inspect = async (args: readonly string[]): Promise<unknown> => {
    const { exitCode, stdout, stderr } = await call(args, true);
    if (exitCode === 0) return parseJson(stdout);
    if (/no such|not known|not found|does not exist/i.test(stderr)) return undefined;
    throw new VirtainersError('COMMAND_FAILED', `asking ${program} (${args.join(' ')}): ${stderr.trim()}`);
  };
  return {
    ...engine,
    async container(name) {
      const json = await inspect(['inspect', '--type', 'container', name]);
      return json === undefined ? undefined : parseContainer(json);
    },
    async image(reference) {
      const json = await inspect(['image', 'inspect', reference]);
      return json === undefined ? undefined : parseImage(json);
    },
    async pull(reference) {
      await call(['pull', reference]);
    },
    async containerNames() {
      const { stdout } = await call(['ps', '--all', '--format', '{{.Names}}']);
      return stdout
        .split(/[\n,]/)
        .map((name) => name.trim())
        .filter(Boolean);
    },
    async volumeExists(name) {
      return (await inspect(['volume', 'inspect', name])) !== undefined;
    },
    async network(name) {
      const json = await inspect(['network', 'inspect', name]);
      return json === undefined ? undefined : engine.dialect.parseNetworks(json)[0];
    },
    async networks() {
      const { stdout: ids } = await call(['network', 'ls', '--quiet']);
      // One that went meanwhile is missing in what is printed, and no failure.
      const { stdout } = await call(['network', 'inspect', ...ids.split('\n').filter(Boolean)], true);
      return engine.dialect.parseNetworks(parseJson(stdout) ?? []);
    },
    async createNetwork(args) {
      await call(args);
    },
    async run([create = [], ...others]) {
      const { stdout } = await call(create);
      const id = stdout.trim().split('\n').at(-1) ?? '';
      try {
        for (const command of others) await call(command);
      } catch (error) {
        // Half made, it would be in the way of the next attempt.
        await call(['rm', '--force', id], true);
        throw error;
      }
      return id;
    },
    async logTail(name, lines) {
      const { stdout, stderr } = await call(['logs', '--tail', String(lines), name], true);
      return plainLines(`${stdout}${stderr}`).slice(-lines);
    },
    async copyOut(name, from, to) {
      await call(['cp', `${name}:${from}`, to]);
    },
    async saveImage(image, file) {
      await call(['save', '--output', file, image]);
    },
    exec: (name, argv) => call(['exec', name, ...argv], true),
    converse: (name, argv) =>
      context.spawn(program, ['exec', '--interactive', name, ...argv], { stdin: 'pipe', detached: true }),
    spawn: (name, argv, options) => context.spawn(program, ['exec', name, ...argv], options),
  };
}
