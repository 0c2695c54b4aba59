import { type CacheEntry, cacheFolder, listCache } from '@virtainers/builder';
import { formatSize } from '@virtainers/core';
import { z } from 'zod';
import { renderColumns } from '../columns.ts';
import type { Action } from '../context.ts';
import { flag, parseOptions } from '../options.ts';

export const schema = z.object({ cacheDir: z.string().optional(), json: flag });

export const action: Action = async (cli, _args, raw) => {
  const { cacheDir, json } = parseOptions(schema, raw);
  const folder = cacheFolder(cli.env, cli.home, cacheDir);
  const entries = await listCache({ cacheDir: folder });
  const lines = json ? [JSON.stringify(entries.map(entryAsJson), null, 2)] : renderEntries(entries);
  for (const line of lines) cli.print(line);
  cli.log.info(`${formatSize(total(entries))} in ${folder}`);
  return 0;
};

export function total(entries: readonly CacheEntry[]): number {
  return entries.reduce((sum, { size }) => sum + size, 0);
}

export function entryAsJson({ used, ...entry }: CacheEntry) {
  return { ...entry, used: new Date(used).toISOString() };
}

/** The largest first; packages and other blobs, of which there are hundreds, as one row. */
export function renderEntries(entries: readonly CacheEntry[]): string[] {
  const blobs = entries.filter(({ kind }) => kind === 'blob');
  const others = entries.filter(({ kind }) => kind !== 'blob');
  const rows = [...others].sort((a, b) => b.size - a.size).map((entry) => row(entry, idOf(entry), entry.about ?? '-'));
  const last = blobs.reduce<CacheEntry | undefined>((a, b) => (a && a.used > b.used ? a : b), undefined);
  if (last) rows.push(row({ ...last, size: total(blobs) }, '-', `${blobs.length} packages and layers`));
  return renderColumns([['KIND', 'ID', 'SIZE', 'USED', 'OF'], ...rows]);
}

function row({ kind, size, used }: CacheEntry, id: string, about: string): string[] {
  return [kind, id, formatSize(size), new Date(used).toISOString().slice(0, 10), about];
}

function idOf({ path }: CacheEntry): string {
  return path.slice(path.lastIndexOf('/') + 1).slice(0, 12);
}
