import { type Architecture, VirtainersError } from '@virtainers/core';
import { fill } from '../source/find/find.ts';

type Drop = readonly { readonly because: string; readonly paths: readonly string[] }[];

/** What an architecture has of its own. */
interface Own {
  /** What stands for `{name}` in packages and paths. */
  readonly words: Readonly<Record<string, string>>;
  readonly packages: readonly string[];
  readonly drop?: Drop;
  readonly keep?: readonly string[];
}

interface Common {
  readonly name: string;
  readonly architectures: { readonly [A in Architecture]?: Own | undefined };
  readonly packages: readonly string[];
  readonly drop?: Drop;
  readonly keep?: readonly string[];
}

/** A definition of packages as it is on one architecture: what that has of its own is added, every word filled in. */
export type For<T extends Common> = Omit<T, 'architectures'>;

/** Throws IMAGE_UNKNOWN where the definition is not made for the architecture. */
export function forArchitecture<T extends Common>(definition: T, arch: Architecture): For<T> {
  const { architectures, ...common } = definition;
  const own = architectures[arch];
  if (!own) throw noSuchArchitecture(definition, arch);
  const filled = (list: readonly string[]) => list.map((text) => fill(text, own.words));
  return {
    ...common,
    packages: filled([...common.packages, ...own.packages]),
    ...(common.drop && {
      drop: [...common.drop, ...(own.drop ?? [])].map((one) => ({ ...one, paths: filled(one.paths) })),
    }),
    ...(common.keep && { keep: filled([...common.keep, ...(own.keep ?? [])]) }),
  };
}

export function noSuchArchitecture(
  { name, architectures }: { readonly name: string; readonly architectures: object },
  arch: Architecture,
): VirtainersError {
  return new VirtainersError('IMAGE_UNKNOWN', `${name} is not made for ${arch}`, {
    hint: `it is for ${Object.keys(architectures).join(', ')}; \`virtainers catalog --arch ${arch}\` lists what there is`,
  });
}
