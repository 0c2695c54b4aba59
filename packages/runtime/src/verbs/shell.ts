import type { Spawn } from '@virtainers/core';
import type { Driver } from '../daemon/driver.ts';

/** A shell in which plain `virsh` finds this container's libvirt. */
export async function openShell(
  spawn: Spawn,
  driver: Driver,
  { shell, args }: { readonly shell: string; readonly args: readonly string[] },
): Promise<number> {
  const child = spawn(`/bin/${shell}`, args, {
    env: driver.env,
    stdin: 'inherit',
    stdout: 'inherit',
    stderr: 'inherit',
  });
  const { exitCode, signal } = await child.exited;
  return exitCode ?? (signal === null ? 1 : 128);
}
