import type { Digest } from '@virtainers/core';
import { lastBaked } from './bake.ts';
import type { BuildContext } from './context.ts';
import type { ImageDefinition } from './definition/schema.ts';

/** One line of `virtainers catalog`. */
export interface CatalogueRow {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly title: string;
  readonly kind: ImageDefinition['kind'];
  readonly arch: string;
  readonly osinfo: string;
  readonly user: string;
  readonly firmware: string;
  /** Bytes, where a disk comes with it. */
  readonly virtualSize?: number | undefined;
  /** YYYY-MM-DD. */
  readonly endOfLife?: string | undefined;
  /** The image that was last baked with this cache. */
  readonly baked?: Digest | undefined;
}

/** What can be baked by name, in the order given. */
export async function listCatalogue(
  ctx: Pick<BuildContext, 'cacheDir'>,
  definitions: readonly ImageDefinition[],
): Promise<CatalogueRow[]> {
  return Promise.all(
    definitions.map(async (definition) => describe(definition, await lastBaked(ctx, definition.name))),
  );
}

function describe(definition: ImageDefinition, baked: Digest | undefined): CatalogueRow {
  const { name, aliases, title, kind, arch, osinfo, user, firmware, endOfLife } = definition;
  const virtualSize = definition.kind === 'packages' ? definition.size : undefined;
  return {
    ...{ name, aliases, title, kind, arch, osinfo, user, firmware },
    ...(virtualSize === undefined ? {} : { virtualSize }),
    ...(endOfLife === undefined ? {} : { endOfLife }),
    ...(baked === undefined ? {} : { baked }),
  };
}
