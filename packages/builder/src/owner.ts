import { readFile, readlink } from 'node:fs/promises';
import { digestBytes } from '@virtainers/core';

/** A process that no other one is mistaken for, now or later. */
export interface Owner {
  /** Where its number counts: see thisHost. */
  readonly host: string;
  readonly pid: number;
  /** Since the kernel's start, in its ticks: numbers of processes are used again. */
  readonly start: number;
}

/** Of one boot of one kernel, and one namespace of process numbers in it: containers share caches too. */
export async function thisHost(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
  return digestBytes(`${boot.trim()} ${await readlink('/proc/self/ns/pid')}`).slice(7, 19);
}

/** Throws where there is no /proc. */
export function thisProcess(): Promise<Owner> {
  return processOf('self');
}

/** A process of this host. */
export async function processOf(pid: number | 'self'): Promise<Owner> {
  const { pid: number, start } = await readProcess(String(pid));
  return { host: await thisHost(), pid: number, start };
}

/** Whether a process of this host is still there; one that has ended and waits to be asked for its exit code is not. Throws when in doubt. */
export async function lives({ pid, start }: Owner): Promise<boolean> {
  const found = await readProcess(String(pid)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined;
    throw error;
  });
  return found?.start === start && !['Z', 'X'].includes(found.state);
}

/** proc_pid_stat(5): the name in parentheses may itself hold some, and spaces. */
async function readProcess(name: string): Promise<{ pid: number; state: string; start: number }> {
  const text = await readFile(`/proc/${name}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid: Number.parseInt(text, 10), state: fields[0] ?? '', start: Number(fields[19]) };
}
