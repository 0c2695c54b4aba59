import type { Architecture } from '@virtainers/core';
import type { For } from '../definition/architectures.ts';
import type { FeatureDefinition, PackagesDefinition, RootDefinition } from '../definition/schema.ts';
import type { PackageSelection } from './lock.ts';

/** What a definition asks a mirror for. The lock files of amd64 are called by the definition alone: they are older than the choice. */
export function selectionOf(
  definition: For<RootDefinition> | For<FeatureDefinition> | For<PackagesDefinition>,
  arch: Architecture,
): PackageSelection {
  const { stem, mirror, suite, packages } = definition;
  const without = definition.kind === 'packages' ? [] : definition.without.flatMap((group) => group.packages);
  const name = arch === 'amd64' ? stem : `${stem}.${arch}`;
  return { name, mirror, suite, arch, packages, without, bootable: definition.kind === 'packages' };
}
