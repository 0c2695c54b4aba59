import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestBytes } from '@virtainers/core';
import type { BuildContext } from '../context.ts';

const DAY_MS = 24 * 3600 * 1000;

/** Everything that decides what comes out, as a key. Values must be JSON. */
export function cacheKey(inputs: object): Digest {
  return digestBytes(JSON.stringify(inputs));
}

/**
 * The folder of `key`, made once: `make` fills an empty one and says what stands in result.json; then it gets its
 * name in one rename, so that a folder that is there is whole. Its second reader reads result.json and nothing else.
 */
export async function cachedFolder<T extends object>(
  ctx: BuildContext,
  kind: string,
  key: Digest,
  make: (folder: string) => Promise<T>,
): Promise<{ folder: string; result: T; cached: boolean }> {
  const parent = join(ctx.cacheDir, kind);
  const folder = join(parent, key.slice(7));
  const known = await readResult<T>(folder);
  if (known) return { folder, result: known, cached: true };
  await mkdir(parent, { recursive: true });
  await removeAbandoned(parent);
  const temp = await mkdtemp(`${folder}.`);
  try {
    const result = await make(temp);
    await writeFile(join(temp, 'result.json'), JSON.stringify(result));
    await rename(temp, folder).catch(async (error: NodeJS.ErrnoException) => {
      // Another bake made the same folder meanwhile: its content is ours.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    return { folder, result, cached: false };
  } finally {
    await rm(temp, { recursive: true, force: true });
  }
}

/** What a bake that was killed left behind; a day is longer than any bake. */
async function removeAbandoned(parent: string): Promise<void> {
  const names = (await readdir(parent)).filter((name) => /^[0-9a-f]{64}\.\w{6}$/.test(name));
  for (const name of names) {
    const path = join(parent, name);
    const age = Date.now() - (await stat(path).then((stats) => stats.mtimeMs, Date.now));
    if (age > DAY_MS) await rm(path, { recursive: true, force: true });
  }
}

async function readResult<T>(folder: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'result.json'), 'utf8')) as T;
  } catch {
    return undefined;
  }
}
