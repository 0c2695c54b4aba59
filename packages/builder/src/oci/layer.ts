import type { Digest } from '@virtainers/core';
import type { PackageSet } from '../package-set.ts';
import { MEDIA_TYPES } from './media-types.ts';
import { type Segment, segmentsSize } from './segments.ts';
import { sortEntries, type TarEntry, tarSegments } from './tar.ts';

/** Bottom first: the root, features by name, the disk, the app, published overlays. */
export type LayerName = 'root' | `feature-${string}` | 'disk' | 'app' | 'overlay';

/** A layer whose bytes are described; a plain tar's digest is known once somebody has read them. */
export interface LayerPlan {
  readonly name: LayerName;
  readonly mediaType: string;
  readonly size: number;
  readonly segments: readonly Segment[];
  /** Undefined until the bytes were read once. */
  readonly digest: Digest | undefined;
  /** Of the uncompressed tar; of a plain one the same as `digest`. */
  readonly diffID: Digest | undefined;
  /** The packages in it, where they are known. */
  readonly contents?: PackageSet | undefined;
}

/** A layer with its digests. */
export interface Layer extends LayerPlan {
  readonly digest: Digest;
  readonly diffID: Digest;
}

/** A plain tar of `entries`, sorted, each mtime `mtime` (seconds since 1970). */
export async function planLayer(name: LayerName, entries: readonly TarEntry[], mtime: number): Promise<LayerPlan> {
  const segments = await tarSegments(sortEntries(entries), mtime);
  const size = segmentsSize(segments);
  return { name, mediaType: MEDIA_TYPES.layerTar, size, segments, digest: undefined, diffID: undefined };
}

/** The plain layer with the digest that reading it gave. */
export function digestedLayer(plan: LayerPlan, digest: Digest): Layer {
  return { ...plan, digest, diffID: digest };
}

export function isDigested(plan: LayerPlan): plan is Layer {
  return plan.digest !== undefined && plan.diffID !== undefined;
}

/** A layer that lies in a file already, as the runtime root does. */
export function fileLayer(
  name: LayerName,
  file: Pick<Layer, 'size' | 'digest' | 'diffID' | 'mediaType' | 'contents'> & { path: string },
): Layer {
  const { path, size, digest, diffID, mediaType, contents } = file;
  return { name, mediaType, size, segments: [{ path, size, digest }], digest, diffID, ...(contents && { contents }) };
}
