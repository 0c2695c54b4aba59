import { readFile } from 'node:fs/promises';
import { ARCHITECTURES, type Architecture, VirtainersError, writeFileAtomically } from '@virtainers/core';
import { isScalar, parseDocument } from 'yaml';
import type { BuildContext } from './context.ts';
import { recipeFor, trustIn } from './definition/cloud.ts';
import type { CloudDefinition } from './definition/schema.ts';
import type { Sums } from './source/sums.ts';
import { resolveAt, type Trust } from './source/vendor.ts';

/** What is known of a definition, and what it lacks. */
export interface Refreshed {
  readonly name: string;
  readonly trust: Trust;
  /** YYYY-MM-DD, or `never`. */
  readonly resolved: string;
  /** The files that its vendor has today; none where nobody asked. */
  readonly found: readonly { readonly arch: Architecture; readonly url: string; readonly sums: Sums }[];
  /** Why it was not found, and what whoever looks after the catalogue may do. */
  readonly problems: readonly string[];
}

/** What a definition lacks, as far as it can be told without a network. `today` is YYYY-MM-DD. */
export function reviewDefinition(definition: CloudDefinition, today: string): Refreshed {
  const { name, resolved, endOfLife } = definition;
  const trust = trustIn(definition, 'amd64');
  const problems = [
    ...(resolved === 'never' ? ['never resolved against its vendor'] : []),
    ...(trust === 'unchecked' ? ['signed, but the key is not in keys/'] : []),
    ...(endOfLife !== undefined && endOfLife < today ? [`no security fixes since ${endOfLife}`] : []),
  ];
  return { name, trust, resolved, found: [], problems };
}

/**
 * Looks for the file of every architecture at every server, checking sums and signatures of sums; no image is fetched. Where
 * all are found the definition's file is marked with `today`, nothing else in it being changed.
 */
export async function refreshDefinition(
  ctx: BuildContext,
  definition: CloudDefinition,
  today: string,
): Promise<Refreshed> {
  const found: Refreshed['found'][number][] = [];
  const problems: string[] = [];
  for (const arch of ARCHITECTURES) {
    if (!definition.architectures[arch]) continue;
    const result = await lookFor(ctx, definition, arch);
    if ('url' in result) found.push(result);
    else problems.push(...result.problems.map((problem) => `${arch}: ${problem}`));
  }
  const { name } = definition;
  const trust = trustIn(definition, 'amd64');
  if (problems.length > 0) return { name, trust, resolved: definition.resolved, found, problems };
  await markResolved(definition.path, today);
  return { name, trust, resolved: today, found, problems };
}

async function lookFor(
  ctx: BuildContext,
  definition: CloudDefinition,
  arch: Architecture,
): Promise<Refreshed['found'][number] | { problems: string[] }> {
  const recipe = recipeFor(definition, arch);
  const problems: string[] = [];
  for (const place of recipe?.places ?? []) {
    try {
      const { origin, sums } = await resolveAt(ctx, recipe as NonNullable<typeof recipe>, place);
      return { arch, url: origin.label, sums };
    } catch (error) {
      if (!(error instanceof VirtainersError)) throw error;
      problems.push(error.message);
    }
  }
  return { problems };
}

/** Only the date's own characters are replaced: comments, quotes and line breaks stay as somebody wrote them. */
async function markResolved(path: string, today: string): Promise<void> {
  const text = await readFile(path, 'utf8');
  const node = parseDocument(text).get('resolved', true);
  if (!isScalar(node) || !node.range) throw new VirtainersError('DEFINITION_INVALID', `${path}: resolved: not there`);
  const [start, end] = node.range;
  await writeFileAtomically(path, text.slice(0, start) + today + text.slice(end));
}
