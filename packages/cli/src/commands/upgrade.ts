import { type UpgradeResult, upgrade } from '@virtainers/builder';
import { type Digest, shortDigest } from '@virtainers/core';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import { renderColumns } from '../columns.ts';
import type { Action } from '../context.ts';
import { engine, flag, parseOptions, path } from '../options.ts';

export const schema = z.object({
  output: path.optional(),
  load: engine.optional(),
  push: z.string().min(1).optional(),
  insecure: flag,
  name: z.string().min(1).optional(),
  runtime: z.string().min(1).optional(),
  lockDir: path.optional(),
  updateLock: flag,
  cacheDir: z.string().optional(),
  json: flag,
});

export const action: Action = async (cli, [source = ''], raw) => {
  const { json, cacheDir, name, ...options } = parseOptions(schema, raw);
  const tags = name === undefined ? undefined : [name.includes('/') ? name : `virtainers/${name}`];
  const result = await upgrade(makeBuildContext(cli, cacheDir), { ...options, source, tags });
  if (json) cli.print(JSON.stringify(result, null, 2));
  else {
    for (const line of describe(result)) cli.log.info(line);
    cli.print(result.digest);
  }
  return 0;
};

/** For people; the digest comes behind it, alone on its line. */
export function describe({ reference, changed, changes, disk, sinks }: UpgradeResult): string[] {
  const short = (digest: Digest | undefined) => (digest === undefined ? '-' : shortDigest(digest));
  const rows = changes.map(({ layer, from, to }) => [`  ${layer}`, short(from), '->', short(to)]);
  return [
    changed ? `${reference}: upgraded` : `${reference}: nothing changes`,
    ...renderColumns([...rows, ['  disk', short(disk.diffID), '', 'stays']]),
    ...sinks.map(({ kind, target, written }) => `  ${kind}: ${target}${written ? '' : ' (held it already)'}`),
    ...(changed && sinks.length === 0 ? ['  nothing was written: --load, --output and --push say where it goes'] : []),
  ];
}
