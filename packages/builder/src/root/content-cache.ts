import { readFile, rename, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Digest, digestBytes } from '@virtainers/core';
import { oneAtATime } from '../cache-lock.ts';
import type { BuildContext } from '../context.ts';
import { type Workshop, withCacheFolder } from '../work-folder.ts';

/** Everything that decides what comes out, as a key. Values must be JSON. */
export function cacheKey(inputs: object): Digest {
  return digestBytes(JSON.stringify(inputs));
}

/** The file that says what a folder is of, for people. */
export const ABOUT = 'about';

const MAKES: Readonly<Record<Workshop, string>> = {
  disks: 'makes the same disk',
  features: 'makes the same feature',
  roots: 'makes the same runtime root',
  tools: 'makes the same tools',
  tmp: 'does the same',
};

/**
 * The folder of `key`, made once, however many bakes ask for it: `make` fills an empty one and says what stands in
 * result.json, `about` what it is of, for people; then it gets its name in one rename, so that a folder that is there is whole. Its second reader reads
 * result.json and nothing else.
 */
export async function cachedFolder<T extends object>(
  ctx: BuildContext,
  kind: Workshop,
  key: Digest,
  about: string,
  make: (folder: string) => Promise<T>,
): Promise<{ folder: string; result: T; cached: boolean }> {
  const folder = join(ctx.cacheDir, kind, key.slice(7));
  const known = await readResult<T>(folder);
  if (known) {
    // Its time is when it was last used, for prune; where that cannot be written nothing is pruned either.
    await utimes(join(folder, 'result.json'), new Date(), new Date()).catch(() => undefined);
    return { folder, result: known, cached: true };
  }
  return oneAtATime(ctx, `${kind}-${key.slice(7)}`, MAKES[kind], async () => {
    const made = await readResult<T>(folder);
    return made ? { folder, result: made, cached: true } : fillFolder(ctx, kind, folder, about, make);
  });
}

function fillFolder<T extends object>(
  ctx: BuildContext,
  kind: Workshop,
  folder: string,
  about: string,
  make: (folder: string) => Promise<T>,
): Promise<{ folder: string; result: T; cached: boolean }> {
  return withCacheFolder(ctx, kind, basename(folder), async (temp) => {
    const result = await make(temp);
    await writeFile(join(temp, ABOUT), about);
    await writeFile(join(temp, 'result.json'), JSON.stringify(result));
    await rename(temp, folder).catch(async (error: NodeJS.ErrnoException) => {
      // Another bake made the same folder meanwhile: its content is ours.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    return { folder, result, cached: false };
  });
}

async function readResult<T>(folder: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'result.json'), 'utf8')) as T;
  } catch {
    return undefined;
  }
}
