import { resolve } from 'node:path';
import { type BakeResult, bake } from '@virtainers/builder';
import { formatSize, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import { loadCatalogue } from '../catalogue.ts';
import type { Action } from '../context.ts';
import { checksum, engine, flag, parseOptions, size } from '../options.ts';

const schema = z.object({
  output: z
    .string()
    .transform((text) => resolve(text))
    .optional(),
  load: engine.optional(),
  push: z.string().min(1).optional(),
  insecure: flag,
  name: z.string().min(1).optional(),
  sha256: checksum('sha256').optional(),
  sha512: checksum('sha512').optional(),
  allowUnverified: flag,
  user: z.string().min(1).optional(),
  osinfo: z.string().min(1).optional(),
  size: size('B').optional(),
  maxVirtualSize: size('B').optional(),
  runtime: z.string().min(1).optional(),
  lockDir: z
    .string()
    .transform((text) => resolve(text))
    .optional(),
  updateLock: flag,
  cacheDir: z.string().optional(),
  json: flag,
});

export const action: Action = async (cli, [source = ''], raw) => {
  const { json, cacheDir, name, ...options } = parseOptions(schema, raw);
  if (options.output === undefined && options.load === undefined && options.push === undefined) throw noSink(source);
  const definitions = await loadCatalogue(cli);
  const tags = name === undefined ? {} : { tags: [name.includes('/') ? name : `virtainers/${name}`] };
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const result = await bake(makeBuildContext(cli, cacheDir), { source, definitions, ...tags, ...given });
  if (json) cli.print(JSON.stringify(result, null, 2));
  else report(result, cli.log.info, cli.print);
  return 0;
};

/** A summary for people, then the digest: the last line, and the only one that scripts need. */
function report(result: BakeResult, info: (line: string) => void, print: (line: string) => void): void {
  info(
    `${result.name}: ${result.layers.length} layers, ${formatSize(result.size)}${result.cached ? ', unchanged' : ''}`,
  );
  for (const { kind, target, written } of result.sinks) {
    info(`  ${kind}: ${target}${written ? '' : ' (held it already)'}`);
  }
  print(result.digest);
}

function noSink(source: string): VirtainersError {
  const message = [
    `where should the image of ${source} go? Give at least one of`,
    `  --load docker|podman   into an engine here: virtainers bake ${source} --load docker`,
    `  --output FILE          into an archive:     virtainers bake ${source} --output image.tar`,
    `  --push REFERENCE       to a registry:       virtainers bake ${source} --push registry.example/me/image:1`,
  ].join('\n');
  return new VirtainersError('ARGUMENTS_BAD', message);
}
