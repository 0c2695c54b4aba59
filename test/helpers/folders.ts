import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** The checkout. */
export const repository = resolve(import.meta.dirname, '../..');

/** Where this person's caches are, bakes among them. */
export const cacheHome = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');

/** A folder that is kept from run to run, for what is slow to make and named by its content. */
export async function cacheFolder(...parts: string[]): Promise<string> {
  const path = join(cacheHome, 'virtainers-test', ...parts);
  await mkdir(path, { recursive: true });
  return path;
}
