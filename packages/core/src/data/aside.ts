import { lstat, rename } from 'node:fs/promises';
import { dirname, format, parse } from 'node:path';
import { syncDirectory } from '../files.ts';
import { type DataPaths, statePaths } from './paths.ts';

/**
 * Renames what is there of these files out of the way, in this order, each to NAME.aside-TIME.EXTENSION, for people to decide on;
 * nothing ever takes them back by itself. Only the holder of the folder's lock may call it. Gives back their new names.
 */
export async function putAside(files: readonly string[], now: Date): Promise<string[]> {
  const there = await presentFiles(files);
  const names = await freeNames(there, now.toISOString().replaceAll(/[-:]|\.\d+/g, ''));
  for (const [index, path] of there.entries()) {
    await rename(path, names[index] as string);
    await syncDirectory(dirname(path));
  }
  return names;
}

/**
 * The same for all that belongs to an overlay that is not there any more. Another machine must not get it: it does not trust
 * those keys, and those secrets are not its own.
 */
export function putMachineAside(paths: DataPaths, now: Date): Promise<string[]> {
  return putAside([...statePaths(paths), paths.memory, paths.memoryRecord, paths.sidecar], now);
}

/** Those that have something of their name, be it a link that leads nowhere. */
export async function presentFiles(files: readonly string[]): Promise<string[]> {
  const facts = await Promise.all(files.map((path) => lstat(path).catch(() => undefined)));
  return files.filter((_, index) => facts[index] !== undefined);
}

async function freeNames(files: readonly string[], time: string): Promise<string[]> {
  for (let count = 0; ; count += 1) {
    const names = files.map((path) => asideName(path, count === 0 ? time : `${time}-${count}`));
    if ((await presentFiles(names)).length === 0) return names;
  }
}

function asideName(path: string, time: string): string {
  const { dir, name, ext } = parse(path);
  return format({ dir, name: `${name}.aside-${time}`, ext });
}
