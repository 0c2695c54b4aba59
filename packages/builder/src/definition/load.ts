import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { VirtainersError } from '@virtainers/core';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { cloudProblems } from './cloud-problems.ts';
import { nearNames } from './near-names.ts';
import {
  type Definition,
  definitionSchema,
  type FeatureDefinition,
  type ImageDefinition,
  type RootDefinition,
} from './schema.ts';

/** The images of a folder, by name. Throws DEFINITION_INVALID with every problem of every file. */
export async function loadDefinitions(folder: string): Promise<ImageDefinition[]> {
  const definitions = await loadAll(folder);
  return definitions.filter((definition) => definition.kind !== 'root' && definition.kind !== 'feature');
}

/** A root that is no image: `runtime` or `tools`. Throws DEFINITION_INVALID where the folder has none of that name. */
export async function loadRootDefinition(folder: string, name: string): Promise<RootDefinition> {
  const [definition] = await loadAll(folder, (file) => file === `${name}.yaml`);
  if (definition?.kind === 'root') return definition;
  throw new VirtainersError('DEFINITION_INVALID', `reading ${folder}: no definition of the root "${name}"`);
}

/** The features of a folder, by name. Throws DEFINITION_INVALID. */
export async function loadFeatures(folder: string): Promise<FeatureDefinition[]> {
  const definitions = await loadAll(folder, (file) => file.startsWith('feature-'));
  return definitions.filter((definition) => definition.kind === 'feature');
}

/** By name or alias. Throws IMAGE_UNKNOWN, with near names in the hint. */
export function findDefinition(definitions: readonly ImageDefinition[], name: string): ImageDefinition {
  const found = definitions.find((definition) => [definition.name, ...definition.aliases].includes(name));
  if (found) return found;
  const names = definitions.flatMap((definition) => [definition.name, ...definition.aliases]);
  const near = nearNames(name, names);
  const hint = near.length > 0 ? `did you mean ${near.join(', ')}?` : '`virtainers catalog` lists what there is';
  throw new VirtainersError('IMAGE_UNKNOWN', `no image definition is called "${name}"`, { hint });
}

/** One file's text. Problems come back as lines that name the file; a definition only where there are none. */
export function parseDefinition(path: string, text: string): { definition?: Definition; problems: string[] } {
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    return { problems: document.errors.map((error) => `${path}: ${error.message.split('\n')[0]}`) };
  }
  const parsed = definitionSchema.safeParse(document.toJS());
  if (!parsed.success) {
    const { issues } = parsed.error;
    return { problems: issues.map((issue) => `${path}: ${z.core.toDotPath(issue.path)}: ${issue.message}`) };
  }
  const { data } = parsed;
  const problems = data.kind === 'cloud' ? cloudProblems(data).map((problem) => `${path}: ${problem}`) : [];
  if (problems.length > 0) return { problems };
  return { definition: { ...data, path, stem: basename(path, '.yaml') }, problems };
}

/** Of the files that are `wanted`: one root is no reason to read every distro. */
async function loadAll(folder: string, wanted: (file: string) => boolean = () => true): Promise<Definition[]> {
  const files = (await listFolder(folder)).filter((file) => file.endsWith('.yaml') && wanted(file)).sort();
  const results = await Promise.all(
    files.map(async (file) => parseDefinition(join(folder, file), await readFile(join(folder, file), 'utf8'))),
  );
  const definitions = results.flatMap((result) => result.definition ?? []);
  const problems = [...results.flatMap((result) => result.problems), ...doubleNames(definitions)];
  if (problems.length > 0) {
    throw new VirtainersError('DEFINITION_INVALID', `reading image definitions:\n  ${problems.join('\n  ')}`);
  }
  return definitions.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    throw new VirtainersError('DEFINITION_INVALID', `reading ${folder}: no folder of image definitions`, { cause });
  }
}

function doubleNames(definitions: readonly Definition[]): string[] {
  const owners = new Map<string, string>();
  const problems: string[] = [];
  for (const definition of definitions) {
    for (const name of [definition.name, ...('aliases' in definition ? definition.aliases : [])]) {
      const owner = owners.get(name);
      if (owner) problems.push(`${definition.path}: name: "${name}" stands in ${owner} too`);
      owners.set(name, definition.path);
    }
  }
  return problems;
}
