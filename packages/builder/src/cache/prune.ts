import { readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { IN_USE, LOCK_FOLDER, owningCache } from '../cache-lock.ts';
import type { BuildContext } from '../context.ts';
import { sweepWorkFolders, withCacheFolder } from '../work-folder.ts';
import { type CacheEntry, listCache } from './list.ts';

export interface PruneOptions {
  /** Milliseconds since 1970: what was used since then stays. */
  readonly usedBefore: number;
  /** Only say what would be removed. */
  readonly dryRun?: boolean | undefined;
}

/**
 * Removes what was not used of late, once no bake uses the cache, and returns it. Records and version locks stay: they decide
 * what the next bake gives. TOOL_MISSING without flock(1), for then nobody can tell whether a bake runs.
 */
export async function pruneCache(ctx: BuildContext, { usedBefore, dryRun }: PruneOptions): Promise<CacheEntry[]> {
  const old = async () => (await listCache(ctx)).filter(({ used }) => used < usedBefore);
  if (dryRun) return old();
  return owningCache(ctx, async () => {
    await sweepWorkFolders(ctx);
    const entries = await old();
    await removeAll(ctx, entries);
    return entries;
  });
}

/** Each goes in one rename first: what is half removed is never taken for whole. */
async function removeAll(ctx: BuildContext, entries: readonly CacheEntry[]): Promise<void> {
  await withCacheFolder(ctx, 'tmp', 'pruned', async (folder) => {
    for (const { kind, path } of entries) {
      ctx.signal?.throwIfAborted();
      await rename(path, join(folder, `${kind}-${basename(path)}`));
    }
  });
  // Nobody holds a lock while the cache is ours.
  for (const name of await readdir(join(ctx.cacheDir, LOCK_FOLDER))) {
    if (name !== IN_USE) await rm(join(ctx.cacheDir, LOCK_FOLDER, name));
  }
}
