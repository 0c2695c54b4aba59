import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { makeExec, makeSpawn } from '@virtainers/core';

export const exec = makeExec();
export const spawn = makeSpawn();

/** Debian keeps daemons and network tools where an ordinary user's PATH does not look. */
export const PATH = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'].join(
  delimiter,
);

/** Throws naming every program that is not on PATH: a test that lacks its tools fails, it never skips. */
export async function requireTool(...names: string[]): Promise<void> {
  const found = await Promise.all(names.map(isOnPath));
  const missing = names.filter((_, index) => !found[index]);
  if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}; scripts/install-tools installs them`);
}

async function isOnPath(name: string): Promise<boolean> {
  for (const folder of PATH.split(delimiter)) {
    const found = await access(join(folder, name), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return true;
  }
  return false;
}

/**
 * Asks again until `attempt` gives something, for what announces itself by no event (a TCP port, a remote state).
 * A throw or undefined is "not yet"; after `timeoutMs` the last throw is the error's cause.
 */
export async function waitFor<T>(what: string, attempt: () => Promise<T | undefined>, timeoutMs: number): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let cause: unknown;
  while (Date.now() < deadline) {
    try {
      const value = await attempt();
      if (value !== undefined) return value;
    } catch (error) {
      cause = error;
    }
    await setTimeout(Math.min(100, Math.max(1, deadline - Date.now())));
  }
  throw new Error(`waited ${timeoutMs} ms for ${what}${cause instanceof Error ? `: ${cause.message}` : ''}`, { cause });
}
