import { pruneCache } from '@virtainers/builder';
import { formatSize } from '@virtainers/core';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import type { Action } from '../context.ts';
import { age, flag, parseOptions } from '../options.ts';
import { entryAsJson, renderEntries, total } from './cache-ls.ts';

const DAY_MS = 24 * 3600 * 1000;
const KEPT_MS = 30 * DAY_MS;

export const schema = z.object({
  olderThan: age.optional(),
  all: flag,
  dryRun: flag,
  cacheDir: z.string().optional(),
  json: flag,
});

export const action: Action = async (cli, _args, raw) => {
  const { olderThan, all, dryRun, cacheDir, json } = parseOptions(schema, raw);
  const ctx = makeBuildContext(cli, cacheDir);
  const usedBefore = all ? Number.POSITIVE_INFINITY : Date.now() - (olderThan ?? KEPT_MS);
  const entries = await pruneCache(ctx, { usedBefore, dryRun });
  const lines = json ? [JSON.stringify(entries.map(entryAsJson), null, 2)] : renderEntries(entries);
  if (json || entries.length > 0) for (const line of lines) cli.print(line);
  cli.log.info(`${formatSize(total(entries))} ${dryRun ? 'would be' : 'were'} removed from ${ctx.cacheDir}`);
  return 0;
};
