import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainLink, chainName, dataPaths, newSidecar, writeSidecar } from '@virtainers/core';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import type { HostContext } from '../../packages/host/src/context.ts';
import { exec, spawn } from '../helpers/process.ts';

/** A data folder as a start leaves it, its overlay on `chain` by the paths that these have in an image. */
export async function makeData(folder: string, chain: readonly ChainLink[], reference?: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const top = chain.at(-1);
  if (!top) throw new Error('an overlay lies on something');
  const { overlay, sidecar } = dataPaths(folder);
  const named = ['-u', '-b', top.path, '-F', 'qcow2'];
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', ...named, overlay, String(top.virtualSize)]);
  await writeSidecar(sidecar, newSidecar(chain, reference));
  return folder;
}

/** Writes as a guest would, to the overlay over `below`, files of this machine from the top. */
export async function write(folder: string, below: readonly string[], ...commands: readonly string[]): Promise<void> {
  const words = commands.flatMap((command) => ['-c', command]);
  await exec('qemu-io', [...words, shown(folder, below)]);
}

/** What a guest sees, as a name for qemu-img and qemu-io. */
export function shown(folder: string, below: readonly string[]): string {
  return chainName({ path: dataPaths(folder).overlay, format: 'qcow2' }, toFiles(below));
}

export function toFiles(paths: readonly string[]) {
  return paths.map((path) => ({ path, format: 'qcow2' as const }));
}

/** A file of bytes that no program makes smaller. */
export async function noise(path: string, megabytes: number): Promise<string> {
  await writeFile(path, randomBytes(megabytes * 1024 ** 2));
  return path;
}

export function hostContext({ log, env, cacheDir }: BuildContext): HostContext {
  return { exec, spawn, log, env, home: join(cacheDir, '..'), kernel: '6.1.0' };
}
