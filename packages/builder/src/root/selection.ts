import type { PackagesDefinition, RootDefinition } from '../definition/schema.ts';
import type { PackageSelection } from './lock.ts';

/** What a definition asks a mirror for. */
export function selectionOf(definition: RootDefinition | PackagesDefinition): PackageSelection {
  const { stem, mirror, suite, packages } = definition;
  const without = definition.kind === 'root' ? definition.without.flatMap((group) => group.packages) : [];
  return { name: stem, mirror, suite, packages, without, bootable: definition.kind === 'packages' };
}
