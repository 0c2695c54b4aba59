import { VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { type ImageOrigin, imageOriginAt, parseImageOrigin } from '../oci/image-origin.ts';
import { isLocalImage } from '../oci/local-image.ts';
import { type Engine, imageId } from '../sink/engine.ts';

const STORAGE: Record<Engine, string> = { docker: 'docker-daemon:', podman: 'containers-storage:' };

/**
 * What a plain word means: a file or folder here, an image of the engine that the new one is for, under its own name or
 * virtainers/NAME, or else a registry's reference. SOURCE_UNAVAILABLE, ARCHIVE_INVALID, ARGUMENTS_BAD.
 */
export async function findOrigin(
  ctx: BuildContext,
  { source, load }: { readonly source: string; readonly load?: Engine | undefined },
): Promise<ImageOrigin> {
  const known = parseImageOrigin(source) ?? (await imageOriginAt(source));
  if (known) return known;
  if (await isLocalImage(source)) {
    throw new VirtainersError('ARCHIVE_INVALID', `reading ${source}: it is no archive or layout of an image`);
  }
  for (const name of source.includes('/') ? [source] : [source, `virtainers/${source}`]) {
    if (load !== undefined && (await imageId(ctx, load, name)) !== undefined) {
      return parseImageOrigin(`${STORAGE[load]}${name}`) as ImageOrigin;
    }
  }
  return parseImageOrigin(`oci://${source}`) as ImageOrigin;
}
