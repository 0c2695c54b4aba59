import { createReadStream } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Exec, Spawn } from '@virtainers/core';
import { dockerIn } from './docker.ts';
import { rootfulPodmanIn, rootlessPodmanIn } from './podman.ts';
import { claimSlot, type Slot } from './slot.ts';

/** A container engine of a test's own: private storage, configuration, sockets and network namespace. */
export interface Engine {
  readonly name: EngineName;
  /** What `virtainers --engine` is given. */
  readonly kind: 'docker' | 'podman';
  /** What makes a client talk to this engine and no other. */
  readonly env: Readonly<Record<string, string>>;
  /** Who that is. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Any program as the person who owns the engine, inside the engine's network, `env` included. */
  readonly exec: Exec;
  readonly spawn: Spawn;
  /** Where published ports answer, seen from the test; containers of rootful engines also answer on their own address. */
  readonly address: string;
  /** The test's host as containers see it, and Docker's name server, where a test may start one. */
  readonly host: string;
  /** The first three numbers of a /24 for networks that a test makes. */
  readonly spare: string;
  /** The engine's command: stdout, trimmed. */
  command(...args: string[]): Promise<string>;
  /** Loads an archive, whoever may read it. */
  load(archive: string): Promise<void>;
  /** A folder for bind mounts that the engine's owner owns. */
  folder(label: string): Promise<string>;
  /** Removes every container, ends what was started, removes storage and network. */
  stop(): Promise<void>;
}

/** How one kind of engine is set up in a slot. */
export interface Setup {
  readonly exec: Exec;
  readonly spawn: Spawn;
  readonly env: Readonly<Record<string, string>>;
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly address: string;
  stop(): Promise<void>;
}

const KINDS = {
  docker: { kind: 'docker', setUp: dockerIn },
  podman: { kind: 'podman', setUp: rootfulPodmanIn },
  'podman-rootless': { kind: 'podman', setUp: rootlessPodmanIn },
} as const satisfies Record<string, { kind: Engine['kind']; setUp: (slot: Slot) => Promise<Setup> }>;

export type EngineName = keyof typeof KINDS;
export const ENGINES = Object.keys(KINDS) as readonly EngineName[];

export const startDocker = (): Promise<Engine> => startEngine('docker');
export const rootfulPodman = (): Promise<Engine> => startEngine('podman');

export async function startEngine(name: EngineName): Promise<Engine> {
  const { kind, setUp } = KINDS[name];
  const slot = await claimSlot();
  try {
    return await makeEngine(name, kind, slot, await setUp(slot));
  } catch (error) {
    await slot.release();
    throw error;
  }
}

async function makeEngine(name: EngineName, kind: Engine['kind'], slot: Slot, setup: Setup): Promise<Engine> {
  const { exec, spawn, env, owner, address } = setup;
  return {
    ...{ name, kind, env, owner, exec, spawn, address, host: slot.host, spare: slot.spare },
    command: async (...args) => (await exec(kind, args)).stdout.trim(),
    load: (archive) => load(setup, kind, archive),
    folder: async (label) => {
      const path = join(slot.folder, `shared-${label}`);
      await mkdir(path, { recursive: true });
      await chown(path, owner.uid, owner.gid);
      return path;
    },
    stop: async () => {
      try {
        await removeContainers(exec, kind);
        await setup.stop();
      } finally {
        await slot.release();
      }
    },
  };
}

async function load(setup: Setup, kind: string, archive: string): Promise<void> {
  const child = setup.spawn(kind, ['load', '--quiet'], { stdin: 'pipe', stdout: 'ignore' });
  let complaint = '';
  child.stderr?.on('data', (chunk) => {
    complaint += String(chunk);
  });
  // A client that refuses the archive closes its stdin early; its exit code tells.
  if (child.stdin) await pipeline(createReadStream(archive), child.stdin).catch(() => undefined);
  const { exitCode } = await child.exited;
  if (exitCode !== 0) throw new Error(`${kind} load ${archive}: exit code ${exitCode}\n${complaint}`);
}

async function removeContainers(exec: Exec, kind: Engine['kind']): Promise<void> {
  const { stdout } = await exec(kind, ['ps', '--all', '--quiet'], { allowFailure: true });
  const ids = stdout.split('\n').filter(Boolean);
  // Docker kills at once; Podman first waits for the container's grace to pass.
  const atOnce = kind === 'podman' ? ['--time', '0'] : [];
  if (ids.length > 0) await exec(kind, ['rm', '--force', '--volumes', ...atOnce, ...ids], { allowFailure: true });
}
