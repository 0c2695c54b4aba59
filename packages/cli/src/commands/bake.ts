import { type BakeOutcome, type BakeResult, bakeAll } from '@virtainers/builder';
import { ARCHITECTURES, describeError, formatSize, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import { makeBuildContext } from '../build-context.ts';
import type { Action, CliContext } from '../context.ts';
import { checksum, engine, flag, pairs, parseOptions, path, platform, size } from '../options.ts';

const words = z.array(z.string()).optional();

export const schema = z.object({
  output: path.optional(),
  load: engine.optional(),
  push: z.string().min(1).optional(),
  insecure: flag,
  name: z.string().min(1).optional(),
  tag: z.array(z.string().min(1)).optional(),
  label: pairs.optional(),
  sbom: z.string().min(1).optional(),
  provenance: z.string().min(1).optional(),
  sign: flag,
  signKey: z.string().min(1).optional(),
  sha256: checksum('sha256').optional(),
  sha512: checksum('sha512').optional(),
  vendorKey: z.string().min(1).optional(),
  allowUnverified: flag,
  offline: flag,
  arch: z.array(z.enum(ARCHITECTURES, 'amd64 or arm64')).optional(),
  platform: platform.optional(),
  user: z.string().min(1).optional(),
  osinfo: z.string().min(1).optional(),
  firmware: z.enum(['bios', 'uefi'], { error: 'bios or uefi' }).optional(),
  feature: z.array(z.string().min(1)).optional(),
  size: size('B').optional(),
  customize: words,
  package: words,
  file: words,
  run: words,
  firstBoot: words,
  maxVirtualSize: size('B').optional(),
  runtime: z.string().min(1).optional(),
  lockDir: path.optional(),
  updateLock: flag,
  cacheDir: z.string().optional(),
  json: flag,
});

export const action: Action = async (cli, sources, raw) => {
  const {
    json,
    cacheDir,
    name,
    tag = [],
    label: labels,
    feature: features,
    offline,
    arch,
    ...options
  } = parseOptions(schema, raw);
  const sign = options.sign || options.signKey !== undefined ? { key: options.signKey } : undefined;
  if (options.output === undefined && options.load === undefined && options.push === undefined) throw noSink(sources);
  if (offline && options.push !== undefined) {
    throw new VirtainersError('ARGUMENTS_BAD', '--offline, --push: a registry is on the network');
  }
  if (sources.length > 1 || (arch ?? []).length > 1) checkOwn(options);
  const tags = [name ?? '{name}:{tag}', ...tag].map((word) => (word.includes('/') ? word : `virtainers/${word}`));
  const architectures = arch === undefined ? [undefined] : [...new Set(arch)];
  const images = sources.flatMap((source) =>
    architectures.map((one) => ({ ...options, source, tags, labels, features, arch: one })),
  );
  const ctx = { ...makeBuildContext(cli, cacheDir), offline };
  const outcomes = await bakeAll(ctx, { ...options, sign, images });
  if (json) cli.print(JSON.stringify(asJson(outcomes), null, 2));
  else for (const outcome of outcomes) if ('result' in outcome) report(outcome.result, cli.log.info, cli.print);
  return reportFailures(cli, outcomes);
};

/** ARGUMENTS_BAD for what can be true of one image only. */
function checkOwn({ sha256, sha512 }: { sha256?: string | undefined; sha512?: string | undefined }): void {
  const given = Object.entries({ sha256, sha512 }).flatMap(([option, value]) => (value === undefined ? [] : [option]));
  if (given.length === 0) return;
  throw new VirtainersError(
    'ARGUMENTS_BAD',
    `--${given.join(', --')}: is of one disk, and several images are asked for`,
    {
      hint: 'bake that one on its own',
    },
  );
}

/** The exit code of the first image that failed; a failure that they share is told once. */
function reportFailures({ display }: CliContext, outcomes: readonly BakeOutcome[]): number {
  const failed = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome] : []));
  if (outcomes.length === 1 && failed[0]) throw failed[0].error;
  const reasons = new Set(failed.map(({ error }) => error));
  for (const reason of reasons) {
    const names = failed.filter(({ error }) => error === reason).map(({ source }) => source);
    const [first = '', ...lines] = describeError(reason).lines;
    for (const line of [`${names.join(', ')}: ${first}`, ...lines]) display.line(line);
  }
  return failed[0] ? describeError(failed[0].error).exitCode : 0;
}

/** One object for one image, else an array in the order of the words. */
function asJson(outcomes: readonly BakeOutcome[]): unknown {
  const all = outcomes.map((outcome) => ('result' in outcome ? outcome.result : failureAsJson(outcome)));
  return all.length === 1 ? all[0] : all;
}

function failureAsJson({ source, error }: { source: string; error: unknown }): object {
  if (!(error instanceof VirtainersError)) return { source, error: { message: String(error) } };
  const { code, message, hint } = error;
  return { source, error: { code, message, hint } };
}

/** A summary for people, then the digest: the last line, and the only one that scripts need. */
function report(result: BakeResult, info: (line: string) => void, print: (line: string) => void): void {
  info(
    `${result.name}: ${result.layers.length} layers, ${formatSize(result.size)}${result.cached ? ', unchanged' : ''}`,
  );
  for (const { platform, digest, size } of result.platforms ?? [])
    info(`  ${platform}: ${digest}, ${formatSize(size)}`);
  for (const { kind, target, written } of result.sinks) {
    info(`  ${kind}: ${target}${written ? '' : ' (held it already)'}`);
  }
  print(result.digest);
}

function noSink(sources: readonly string[]): VirtainersError {
  const [what, which] = [sources.join(' '), sources.length > 1 ? 'images' : 'image'];
  const push = sources.length > 1 ? 'registry.example/me/{name}:{tag}' : 'registry.example/me/image:1';
  const message = [
    `where should the ${which} of ${what} go? Give at least one of`,
    `  --load docker|podman   into an engine here: virtainers bake ${what} --load docker`,
    `  --output FILE          into an archive:     virtainers bake ${what} --output ${which}.tar`,
    `  --push REFERENCE       to a registry:       virtainers bake ${what} --push ${push}`,
  ].join('\n');
  return new VirtainersError('ARGUMENTS_BAD', message);
}
