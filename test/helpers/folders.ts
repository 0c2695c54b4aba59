import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll } from 'vitest';

/** The checkout. */
export const repository = resolve(import.meta.dirname, '../..');

/** Where this person's caches are, bakes among them. */
export const cacheHome = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');

const temporary: string[] = [];

afterAll(async () => {
  for (const path of temporary) await rm(path, { recursive: true, force: true });
});

/** A folder that is removed when the test file ends. */
export async function tempFolder(label: string): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), `virtainers-test-${label}-`));
  temporary.push(path);
  return path;
}

/** A folder that is kept from run to run, for what is slow to make and named by its content. */
export async function cacheFolder(...parts: string[]): Promise<string> {
  const path = join(cacheHome, 'virtainers-test', ...parts);
  await mkdir(path, { recursive: true });
  return path;
}
