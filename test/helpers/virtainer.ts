import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type State, type Status, statusSchema } from '@virtainers/core';
import type { Engine } from './engines.ts';
import { type FastKernel, fastAnswer, fastCommand, fastGuest } from './fast-guest.ts';
import { cacheFolder, cacheHome, repository } from './folders.ts';
import { exec, waitFor } from './process.ts';

export const RUNTIME = '/usr/lib/virtainers/runtime.mjs';
export const COMMAND = join(repository, 'packages/cli/bin/virtainers.mjs');

/** NET_ADMIN and a tap: the way that the documents recommend. */
export const RECOMMENDED = ['--cap-add', 'NET_ADMIN', '--device', '/dev/net/tun'] as const;

/** The `virtainers` command of this checkout, as the person who runs the tests. */
export async function virtainers(...args: string[]): Promise<string> {
  const { stdout } = await exec(process.execPath, [COMMAND, ...args], { env: { XDG_CACHE_HOME: cacheHome } });
  return stdout.trim();
}

/** An archive of a catalogue's image, made once and kept; nothing is written when it is there already. */
export async function bakedImage(name: string): Promise<{ archive: string; reference: string }> {
  const archive = join(await cacheFolder('images'), `${name.replaceAll(/[^\w.-]/g, '-')}.tar`);
  await virtainers('bake', name, '--output', archive);
  return { archive, reference: `docker.io/virtainers/${name}` };
}

/** The guest that boots in seconds, as an image; with `features`, under another name. */
export async function fastImage(...features: string[]): Promise<{ archive: string; reference: string }> {
  return packFast('cloud', features);
}

/** The same with the kernel that has 9p. */
export async function genericImage(): Promise<{ archive: string; reference: string }> {
  return packFast('generic', []);
}

async function packFast(kernel: FastKernel, features: readonly string[]) {
  const variant = [...(kernel === 'cloud' ? [] : [kernel]), ...features];
  const name = ['virtainers/fast:1', ...variant].join('-');
  const archive = join(await cacheFolder('images'), `${['fast', ...variant].join('-')}.tar`);
  const words = features.flatMap((feature) => ['--feature', feature]);
  const facts = ['--user', 'root', '--osinfo', 'debian12', '--name', name, ...words];
  await virtainers('bake', await fastGuest(kernel), ...facts, '--output', archive);
  return { archive, reference: `docker.io/${name}` };
}

export interface Virtainer {
  readonly name: string;
  /** Waits for the state, by what the supervisor itself reports; throws when another final state comes. */
  reached(state: State): Promise<Status>;
  status(): Promise<Status>;
  /** The container's exit code, once it has ended. */
  ended(): Promise<number>;
  /** stdout and stderr as the engine kept them. */
  log(): Promise<string>;
  inspect(format: string): Promise<string>;
  run(...args: string[]): Promise<string>;
  /** One line in a fast guest. */
  guest(command: string): Promise<string>;
  /** The same, by an address on a network of its own. */
  guestAt(address: string, command: string): Promise<string>;
  remove(): Promise<void>;
}

let count = 0;

/** `run -d` with `options`, and `args` after the image. */
export async function startVirtainer(
  engine: Engine,
  image: string,
  options: readonly string[] = RECOMMENDED,
  args: readonly string[] = [],
): Promise<Virtainer> {
  count += 1;
  const name = `v${count}`;
  await engine.command('run', '-d', '--name', name, ...options, image, ...args);
  return virtainerNamed(engine, name);
}

/** One that exists. */
export function virtainerNamed(engine: Engine, name: string): Virtainer {
  const inspect = (format: string) => engine.command('inspect', '--format', format, name);
  const status = async () =>
    statusSchema.parse(JSON.parse(await engine.command('exec', name, 'node', RUNTIME, 'status')));
  return {
    name,
    status,
    inspect,
    reached: (state) => follow(engine, name, state),
    ended: async () => Number(await engine.command('wait', name)),
    log: async () => {
      const { stdout, stderr } = await engine.exec(engine.kind, ['logs', name]);
      return stderr + stdout;
    },
    run: (...args) => engine.command('exec', name, ...args),
    guestAt: (address, command) => fastCommand(address, 23, command),
    guest: async (command) => fastCommand(await inspect('{{.NetworkSettings.IPAddress}}'), 23, command),
    remove: async () => void (await engine.command('rm', '--force', '--volumes', name)),
  };
}

/** One line in a fast guest, through the supervisor, the way `virtainers ssh` goes where no port is open. */
export function throughEngine(engine: Engine, { name }: Virtainer, command: string): Promise<string> {
  const connect = ['exec', '--interactive', name, 'node', RUNTIME, 'connect', '23'];
  const ask = async () => {
    const { stdout } = await engine.exec(engine.kind, connect, { input: `${command}\n`, timeoutMs: 20_000 });
    return fastAnswer(command, stdout);
  };
  return waitFor('the guest', ask, 60_000);
}

async function follow(engine: Engine, name: string, wanted: State): Promise<Status> {
  const child = engine.spawn(engine.kind, ['exec', name, 'node', RUNTIME, 'status', '--follow']);
  const seen: string[] = [];
  if (!child.stdout) throw new Error('no output to read');
  for await (const line of createInterface({ input: child.stdout })) {
    const status = statusSchema.parse(JSON.parse(line));
    seen.push(status.message ? `${status.state}: ${status.message}` : status.state);
    if (status.state !== wanted) continue;
    child.kill('SIGTERM');
    await child.exited;
    return status;
  }
  const log = await engine.exec(engine.kind, ['logs', name], { allowFailure: true });
  throw new Error(`${name} did not become ${wanted} (${seen.join(', ')})\n${log.stdout}${log.stderr}`);
}
