import { join } from 'node:path';
import { type Architecture, type Machine, VirtainersError } from '@virtainers/core';
import type { BuildContext } from './context.ts';
import { type For, forArchitecture } from './definition/architectures.ts';
import { loadFeatures } from './definition/load.ts';
import type { FeatureDefinition } from './definition/schema.ts';

/** What a guest in a container of its own architecture cannot boot without. The root of arm64 has that architecture's only firmware. */
export function neededFeatures({ arch, firmware }: Pick<Machine, 'arch' | 'firmware'>): string[] {
  return arch === 'amd64' && firmware === 'uefi' ? ['uefi'] : [];
}

/**
 * Those of these names, by name, each once, for containers of `arch`. ARGUMENTS_BAD for one that there is not, with the
 * names of all that there are; IMAGE_UNKNOWN for one that is not for that architecture.
 */
export async function findFeatures(
  { assetsDir }: Pick<BuildContext, 'assetsDir'>,
  names: readonly string[],
  arch: Architecture,
): Promise<For<FeatureDefinition>[]> {
  if (names.length === 0) return [];
  const known = await loadFeatures(join(assetsDir, 'images'));
  const unknown = names.filter((name) => !known.some((feature) => feature.name === name));
  if (unknown.length === 0) {
    return known.filter(({ name }) => names.includes(name)).map((feature) => forArchitecture(feature, arch));
  }
  const list = known.map(({ name, title }) => `  ${name}: ${title}`).join('\n');
  throw new VirtainersError('ARGUMENTS_BAD', `no feature is called ${unknown.join(', ')}; there are\n${list}`);
}
