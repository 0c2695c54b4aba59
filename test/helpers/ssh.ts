import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Exec } from '@virtainers/core';
import { exec as ownExec, requireTool, waitFor } from './process.ts';

export interface SshTarget {
  readonly host: string;
  readonly port?: number;
  readonly user: string;
  /** Path of the private key. */
  readonly key: string;
  /** How long the guest may take to let us in; default 300 s. */
  readonly timeoutMs?: number;
  /** An engine's exec, where the address is only known in the engine's network. */
  readonly exec?: Exec;
}

export interface KeyPair {
  readonly key: string;
  readonly publicKey: string;
}

/** An ed25519 key without passphrase; paths. */
export async function makeKey(folder: string): Promise<KeyPair> {
  await requireTool('ssh-keygen');
  await mkdir(folder, { recursive: true });
  const key = join(folder, 'id_ed25519');
  await ownExec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'virtainers-test', '-f', key]);
  return { key, publicKey: `${key}.pub` };
}

/** Runs one command in a guest. Getting in is tried until the time is over; the command itself runs once and must exit 0. */
export async function sshInto(target: SshTarget, command: string): Promise<string> {
  const exec = target.exec ?? ownExec;
  const arguments_ = sshArguments(target);
  await waitFor(
    `SSH at ${target.user}@${target.host}:${target.port ?? 22}`,
    async () => (await exec('ssh', [...arguments_, 'true'], { timeoutMs: 30_000 })).exitCode === 0 || undefined,
    target.timeoutMs ?? 300_000,
  );
  const { stdout } = await exec('ssh', [...arguments_, command], { timeoutMs: 300_000 });
  return stdout.trim();
}

function sshArguments({ host, port, user, key }: SshTarget): string[] {
  const options = {
    BatchMode: 'yes',
    IdentitiesOnly: 'yes',
    ConnectTimeout: '10',
    StrictHostKeyChecking: 'no',
    UserKnownHostsFile: '/dev/null',
    LogLevel: 'ERROR',
  };
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  return ['-F', '/dev/null', ...flags, '-i', key, '-p', String(port ?? 22), `${user}@${host}`];
}
