import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Exec } from '@virtainers/core';

/** No macvtap has it: opening a node of that number says whether the container may, and nothing else (MINORBITS, linux/kdev_t.h). */
const UNUSED_MINOR = 2 ** 20 - 1;

/** Which major stands for the others where the kernel has not loaded macvtap yet: one that it gives out by itself. */
const SOME_MAJOR = 240;

/**
 * Why the node of a macvtap could not be made and opened, with what to add; undefined: it can. Tried in /dev, because
 * elsewhere a mount may forbid devices.
 */
export async function probeMacvtap(exec: Exec, dev = '/dev', devices = '/proc/devices'): Promise<string | undefined> {
  const major = parseMajor(await readFile(devices, 'utf8'));
  const path = join(dev, 'macvtap-probe');
  await rm(path, { force: true });
  const node = [path, 'c', String(major ?? SOME_MAJOR), String(UNUSED_MINOR)];
  const { exitCode } = await exec('mknod', ['-m', '600', ...node], { allowFailure: true });
  if (exitCode !== 0) return missingMacvtap(major, '--cap-add MKNOD ');
  const said = await open(path, 'r+').then(
    (file) => file.close().then(() => undefined),
    (error: NodeJS.ErrnoException) => error.code,
  );
  await rm(path, { force: true });
  return said === 'EPERM' || said === 'EACCES' ? missingMacvtap(major, '') : undefined;
}

/** `246 macvtap`, among the character devices; the number is another on each host and after each boot. */
export function parseMajor(devices: string): number | undefined {
  const [, major] = /^\s*(\d+) macvtap$/m.exec(devices) ?? [];
  return major === undefined ? undefined : Number(major);
}

function missingMacvtap(major: number | undefined, capability: string): string {
  const rule =
    major === undefined
      ? 'after modprobe macvtap on the host the rule for its number in /proc/devices'
      : `${capability}--device-cgroup-rule "c ${major}:* rwm"`;
  return `the node of a macvtap may not be opened: add --privileged, or ${rule}; NETWORK_MODE=bridge gives the same with less`;
}
