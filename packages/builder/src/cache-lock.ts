import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileLock, type FileLockOptions, takeFileLock, toolMissing } from '@virtainers/core';
import { nameCacheFailure } from './cache-failure.ts';
import type { BuildContext } from './context.ts';
import { sweepWorkFolders, withCacheFolder } from './work-folder.ts';

type Holder = Pick<BuildContext, 'cacheDir' | 'spawn' | 'log' | 'signal'>;

/** Where the locks lie: empty files, which stay. Whoever has IN_USE to himself may remove the others. */
export const LOCK_FOLDER = 'busy';
export const IN_USE = 'in-use';

/** Without a required lock nothing is done. */
type Demand = FileLockOptions & { readonly required?: boolean };

/** While bakes `use` the cache, nothing of it is removed. */
export function usingCache<T>(ctx: Holder, use: () => Promise<T>): Promise<T> {
  return holding(ctx, IN_USE, { shared: true }, 'the cache is being pruned', use);
}

/**
 * The same, in a folder of the cache that is there for the time of `use`. What was killed before may have left a guest's whole disk
 * behind: it is removed. What nameCacheFailure says.
 */
export async function workingIn<T>(
  ctx: Holder & Pick<BuildContext, 'env'>,
  label: string,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  try {
    return await usingCache(ctx, async () => {
      await sweepWorkFolders(ctx);
      return withCacheFolder(ctx, 'tmp', label, use);
    });
  } catch (error) {
    throw nameCacheFailure(ctx, error);
  }
}

/** The cache to oneself, once no bake uses it. TOOL_MISSING where nobody can tell. */
export function owningCache<T>(ctx: Holder, use: () => Promise<T>): Promise<T> {
  return holding(ctx, IN_USE, { required: true }, 'a bake uses the cache', use);
}

/**
 * One at a time for each `key`, of all processes with this cache: the others wait, saying that another bake `does` it, and find
 * it done. Where there are no locks all do it, which costs time and nothing else.
 */
export function oneAtATime<T>(ctx: Holder, key: string, does: string, use: () => Promise<T>): Promise<T> {
  return holding(ctx, key, {}, `another bake ${does}`, use);
}

async function holding<T>(ctx: Holder, name: string, options: Demand, why: string, use: () => Promise<T>): Promise<T> {
  const lock = await take(ctx, name, options, why);
  try {
    return await use();
  } finally {
    await lock?.release();
  }
}

async function take(ctx: Holder, name: string, options: Demand, why: string): Promise<FileLock | undefined> {
  const folder = join(ctx.cacheDir, LOCK_FOLDER);
  const path = join(folder, name);
  const { signal } = ctx;
  await mkdir(folder, { recursive: true });
  let lock = await takeFileLock(ctx.spawn, path, { ...options, signal });
  if ('reason' in lock && lock.reason === 'busy') {
    ctx.log.info(`${why}: waiting for its end`);
    lock = await takeFileLock(ctx.spawn, path, { ...options, signal, wait: true });
  }
  if (!('reason' in lock)) return lock;
  if (options.required) throw toolMissing('flock');
  ctx.log.debug(`no lock on ${path}: ${lock.message}`);
  return undefined;
}
