import { formatSize, VirtainersError } from '@virtainers/core';
import { publishDisk } from '@virtainers/host';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import type { Action } from '../context.ts';
import { engine, flag, parseOptions, path } from '../options.ts';

export const schema = z.object({
  output: path.optional(),
  flatten: flag,
  commit: flag,
  message: z.string().min(1).max(1000).optional(),
  scrub: z.boolean().optional(),
  base: z.string().min(1).optional(),
  insecure: flag,
  engine: engine.optional(),
  cacheDir: z.string().optional(),
  json: flag,
});

export const action: Action = async (cli, [source = '', reference = ''], raw) => {
  const { cacheDir, json, flatten, commit, ...options } = parseOptions(schema, raw);
  if (flatten && commit) throw new VirtainersError('ARGUMENTS_BAD', '--flatten and --commit: give one of them');
  const fold = flatten ? 'flatten' : commit ? 'commit' : undefined;
  const result = await publishDisk(cli, makeBuildContext(cli, cacheDir), { source, reference, fold, ...options });
  if (json) {
    cli.print(JSON.stringify(result, null, 2));
    return 0;
  }
  const { sink, disk, scrubbed } = result;
  cli.log.info(`${result.reference}: ${formatSize(disk.size)} on ${result.base}`);
  if (scrubbed.length > 0) cli.log.info(`  scrubbed: ${scrubbed.length} files of this machine alone`);
  cli.log.info(`  ${sink.kind}: ${sink.target}${sink.written ? '' : ' (held it already)'}`);
  cli.print(result.digest);
  return 0;
};
