import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildContext } from '../context.ts';
import { ABOUT } from '../root/content-cache.ts';
import { parseMark } from '../work-folder.ts';

/** A thing of the cache that can be removed by itself, and made or fetched again. */
export interface CacheEntry {
  readonly kind: 'disk' | 'root' | 'feature' | 'tools' | 'download' | 'blob';
  /** Absolute. */
  readonly path: string;
  /** Bytes that it takes on the disk. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly used: number;
  /** What it is of, where that was written down. */
  readonly about?: string | undefined;
}

/** Where each kind lies. Blobs are packages, and the runtime roots of published images. */
const SHELVES: readonly (readonly [CacheEntry['kind'], string])[] = [
  ['disk', 'disks'],
  ['root', 'roots'],
  ['feature', 'features'],
  ['tools', 'tools'],
  ['download', 'downloads'],
  ['blob', join('blobs', 'sha256')],
];

/** What the cache holds, but for its records and version locks, which are small, and for what bakes are working on. */
export async function listCache({ cacheDir }: Pick<BuildContext, 'cacheDir'>): Promise<CacheEntry[]> {
  const shelves = await Promise.all(SHELVES.map(([kind, folder]) => listShelf(kind, join(cacheDir, folder))));
  return shelves.flat();
}

async function listShelf(kind: CacheEntry['kind'], folder: string): Promise<CacheEntry[]> {
  const names = (await readdir(folder).catch(() => [])).sort();
  // A part of a download whose process is gone is nobody's work; the folders of killed bakes are swept.
  const whole = names.filter((name) => kind === 'download' || !parseMark(name));
  const entries = await Promise.all(whole.map((name) => describe(kind, join(folder, name)).catch(() => undefined)));
  return entries.filter((entry) => entry !== undefined);
}

async function describe(kind: CacheEntry['kind'], path: string): Promise<CacheEntry> {
  const { size, used } = await measure(path);
  const about = await readFile(join(path, ABOUT), 'utf8').catch(() => undefined);
  return { kind, path, size, used, ...(about === undefined ? {} : { about }) };
}

/** Of a file, or a folder with all that is in it. A folder is used when its last file is. */
async function measure(path: string): Promise<{ size: number; used: number }> {
  const stats = await lstat(path);
  const own = { size: stats.blocks * 512, used: stats.mtimeMs };
  if (!stats.isDirectory()) return own;
  const inside = await Promise.all((await readdir(path)).map((name) => measure(join(path, name))));
  return {
    size: inside.reduce((sum, { size }) => sum + size, own.size),
    used: Math.max(own.used, ...inside.map(({ used }) => used)),
  };
}
