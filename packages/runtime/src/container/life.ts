import { readFile } from 'node:fs/promises';

/** Tells one life of the container from the next: when its PID 1 began, in clock ticks since boot. */
export async function readLife(): Promise<string> {
  return parseStartTime(await readFile('/proc/1/stat', 'utf8'));
}

/** Field 22 of /proc/PID/stat (proc_pid_stat(5)); the second one may hold spaces and parentheses. */
export function parseStartTime(stat: string): string {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[19] ?? '';
}
