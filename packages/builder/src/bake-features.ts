import { join } from 'node:path';
import { type Architecture, type Machine, VirtainersError } from '@virtainers/core';
import type { BuildContext } from './context.ts';
import { type For, forArchitecture } from './definition/architectures.ts';
import { loadFeatures } from './definition/load.ts';
import type { FeatureDefinition } from './definition/schema.ts';

/**
 * What a guest cannot boot without in containers for `platform`: its QEMU, where that is another architecture's, and its firmware. The
 * root of arm64 has that architecture's only one. ARGUMENTS_BAD where nothing brings its QEMU.
 */
export function neededFeatures(
  { arch, firmware }: Pick<Machine, 'arch' | 'firmware'>,
  platform: Architecture = arch,
): string[] {
  if (arch === 'amd64' && platform === 'arm64') {
    throw new VirtainersError(
      'ARGUMENTS_BAD',
      '--platform linux/arm64: guests of amd64 run in containers for amd64 only',
    );
  }
  if (arch === 'arm64' && platform === 'amd64') return ['aarch64'];
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
