import { ARCHITECTURES, type Architecture, type Digest } from '@virtainers/core';
import { lastBaked } from './bake/digests.ts';
import { lastResolved } from './cloud-disk.ts';
import type { BuildContext } from './context.ts';
import { trustIn } from './definition/cloud.ts';
import type { ImageDefinition } from './definition/schema.ts';
import type { Trust } from './source/vendor.ts';

/** One line of `virtainers catalog`. */
export interface CatalogueRow {
  readonly name: string;
  /** What follows the colon of the name. */
  readonly release?: string | undefined;
  readonly aliases: readonly string[];
  readonly title: string;
  readonly kind: ImageDefinition['kind'];
  /** Whose disk it is: the vendor's own cloud image, made here from the distro's packages, or none. */
  readonly source: 'vendor' | 'packages' | 'none';
  /** Those that its vendor, or Debian's mirror, has. */
  readonly architectures: readonly Architecture[];
  readonly osinfo: string;
  readonly user: string;
  readonly firmware: readonly string[];
  /** Bytes, where a disk comes with it. */
  readonly virtualSize?: number | undefined;
  /** Bytes of the vendor's file, once it has been looked for. */
  readonly size?: number | undefined;
  /** Who vouches for a vendor's file. */
  readonly trust?: Trust | undefined;
  /** When the definition was last seen to work against the vendor's server: YYYY-MM-DD, or `never`. */
  readonly resolved?: string | undefined;
  /** YYYY-MM-DD. */
  readonly endOfLife?: string | undefined;
  /** No security fixes any more. */
  readonly ended: boolean;
  /** The image that was last baked with this cache. */
  readonly baked?: Digest | undefined;
}

const KINDS = { cloud: 'vendor', packages: 'packages', generic: 'none' } as const;

/** What can be baked by name, in the order given. `today` is YYYY-MM-DD. */
export async function listCatalogue(
  ctx: Pick<BuildContext, 'cacheDir'>,
  definitions: readonly ImageDefinition[],
  today: string,
): Promise<CatalogueRow[]> {
  return Promise.all(
    definitions.map(async (definition) => {
      const { name, aliases, title, kind, osinfo, user, firmware, endOfLife } = definition;
      const seen = kind === 'cloud' ? await lastResolved(ctx, name) : undefined;
      return withoutUndefined({
        ...{
          name,
          release: name.split(':')[1],
          aliases,
          title,
          kind,
          source: KINDS[kind],
          osinfo,
          user,
          firmware,
          endOfLife,
        },
        architectures: architecturesOf(definition),
        virtualSize: definition.kind === 'packages' ? definition.size : undefined,
        size: seen?.size,
        trust: definition.kind === 'cloud' ? trustIn(definition, 'amd64') : undefined,
        resolved: definition.kind === 'cloud' ? definition.resolved : undefined,
        ended: endOfLife !== undefined && endOfLife < today,
        baked: await lastBaked(ctx, name),
      });
    }),
  );
}

function architecturesOf(definition: ImageDefinition): Architecture[] {
  if (definition.kind === 'generic') return [...ARCHITECTURES];
  return ARCHITECTURES.filter((arch) => definition.architectures[arch] !== undefined);
}

function withoutUndefined<T extends object>(row: T): T {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)) as T;
}
