import { pull } from '@virtainers/builder';
import { ARCHITECTURES, formatSize } from '@virtainers/core';
import { firstEngine } from '@virtainers/host';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import type { Action } from '../context.ts';
import { engine, flag, parseOptions, path } from '../options.ts';

export const schema = z.object({
  output: path.optional(),
  load: engine.optional(),
  arch: z.enum(ARCHITECTURES).default(process.arch === 'arm64' ? 'arm64' : 'amd64'),
  insecure: flag,
  cacheDir: z.string().optional(),
  json: flag,
});

export const action: Action = async (cli, [reference = ''], raw) => {
  const { cacheDir, json, ...options } = parseOptions(schema, raw);
  const load = options.load ?? (options.output === undefined ? await firstEngine(cli) : undefined);
  const result = await pull(makeBuildContext(cli, cacheDir), { ...options, load, reference });
  if (json) {
    cli.print(JSON.stringify(result, null, 2));
    return 0;
  }
  const { size, fetched, disks, sinks } = result;
  cli.log.info(`${result.reference}: ${formatSize(size)}, ${formatSize(fetched)} of it fetched; ${disks.length} disks`);
  for (const { kind, target, written } of sinks) {
    cli.log.info(`  ${kind}: ${target}${written ? '' : ' (held it already)'}`);
  }
  cli.print(result.digest);
  return 0;
};
