import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { BuildContext } from '../packages/builder/src/context.ts';
import { findDefinition, loadDefinitions } from '../packages/builder/src/definition/load.ts';
import type { CloudDefinition } from '../packages/builder/src/definition/schema.ts';
import { type Refreshed, refreshDefinition, reviewDefinition } from '../packages/builder/src/refresh-catalogue.ts';
import { describeError } from '../packages/core/src/errors.ts';
import { makeExec, makeSpawn } from '../packages/core/src/exec.ts';
import { makeLog } from '../packages/core/src/log.ts';

interface Surroundings {
  /** Where the definitions lie, if nothing else is said. */
  readonly images: string;
  readonly env: BuildContext['env'];
  readonly print: (line: string) => void;
}

/** Says what the catalogue lacks, or with --live asks the vendors. Returns the exit code. */
export async function updateCatalogue(args: readonly string[], { images, env, print }: Surroundings): Promise<number> {
  const flag = { type: 'boolean', default: false } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { live: flag, json: flag, images: { type: 'string', default: images } },
  });
  try {
    const all = await loadDefinitions(values.images);
    const asked = positionals.length === 0 ? all : positionals.map((name) => findDefinition(all, name));
    const cloud = asked.filter((one): one is CloudDefinition => one.kind === 'cloud');
    const today = new Date().toISOString().slice(0, 10);
    const results = values.live
      ? await withContext(env, (ctx) => refreshAll(ctx, cloud, today, (one) => values.json || print(render(one))))
      : cloud.map((definition) => reviewDefinition(definition, today));
    if (values.json) print(JSON.stringify(results, null, 2));
    else if (!values.live) for (const one of results) if (one.problems.length > 0) print(render(one));
    return values.live && results.some(({ problems }) => problems.length > 0) ? 69 : 0;
  } catch (error) {
    const { lines, exitCode } = describeError(error);
    for (const line of lines) print(line);
    return exitCode;
  }
}

async function refreshAll(
  ctx: BuildContext,
  definitions: readonly CloudDefinition[],
  today: string,
  tell: (one: Refreshed) => unknown,
): Promise<Refreshed[]> {
  const results: Refreshed[] = [];
  for (const definition of definitions) {
    const result = await refreshDefinition(ctx, definition, today);
    tell(result);
    results.push(result);
  }
  return results;
}

function render({ name, trust, resolved, found, problems }: Refreshed): string {
  const files = found.map(({ arch, url }) => `\n  ${arch}: ${url}`);
  return `${name}: ${trust}, resolved: ${resolved}${[...files, ...problems.map((one) => `\n  ${one}`)].join('')}`;
}

async function withContext<T>(env: BuildContext['env'], use: (ctx: BuildContext) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers-update-'));
  try {
    return await use({
      exec: makeExec(),
      spawn: makeSpawn(),
      log: makeLog(() => undefined),
      cacheDir: folder,
      assetsDir: folder,
      sourceDateEpoch: 0,
      onEvent: () => undefined,
      env,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
