import { type Digest, digestBytes, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import { DOCKER_MEDIA_TYPES } from './media-types.ts';
import { parse, readMember, type StoredImage } from './read-layout.ts';
import { canonicalReference } from './reference.ts';
import { configSchema } from './schema.ts';
import { indexTar, type TarMember } from './tar-index.ts';

/** moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format". */
const manifestSchema = z.array(
  z.object({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()) }),
);

/**
 * What `docker save` writes, of any age. There is no manifest in it: the image's digest is its config's (Docker's image
 * id), its layers are known by what they unpack to. ARCHIVE_INVALID.
 */
export async function openDockerArchive(path: string, reference?: string): Promise<StoredImage> {
  const members = await indexTar(path);
  const find = (name: string): { path: string } & TarMember => {
    const member = members.get(name);
    if (!member) throw invalid(path, `${JSON.stringify(name.slice(0, 200))} is missing`);
    return { path, ...member };
  };
  const images = parse(manifestSchema, await readMember(find('manifest.json'), path), `${path}, manifest.json`);
  const fits = images.filter(({ RepoTags }) => reference === undefined || isNamed(RepoTags, reference));
  const [image] = fits;
  if (!image || fits.length > 1) throw invalid(path, `it holds ${fits.length} images ${reference ?? ''}`.trimEnd());
  const bytes = await readMember(find(image.Config), path);
  const config = parse(configSchema, bytes, `${path}, image config`);
  const diffIDs = config.rootfs.diff_ids;
  if (diffIDs.length !== image.Layers.length) {
    throw invalid(path, `it has ${image.Layers.length} layers but ${diffIDs.length} diff ids`);
  }
  const places = new Map<Digest, { path: string } & TarMember>();
  const layers = image.Layers.map((name, index) => {
    const [place, digest] = [find(name), diffIDs[index] as Digest];
    places.set(digest, place);
    return { mediaType: DOCKER_MEDIA_TYPES.layerTar, digest, size: place.size };
  });
  const digest = digestBytes(bytes);
  return {
    origin: path,
    digest,
    manifest: {
      schemaVersion: 2,
      config: { mediaType: DOCKER_MEDIA_TYPES.config, digest, size: bytes.length },
      layers,
    },
    config,
    rawManifest: undefined,
    rawConfig: bytes,
    reference: reference ?? image.RepoTags?.[0],
    layersByDiffID: true,
    locate: async ({ digest: wanted }) => places.get(wanted) ?? find(wanted),
  };
}

/** skopeo writes whole names, Docker short ones. */
function isNamed(tags: readonly string[] | null | undefined, reference: string): boolean {
  return (tags ?? []).some((tag) => canonicalReference(tag) === canonicalReference(reference));
}

function invalid(path: string, reason: string): VirtainersError {
  return new VirtainersError('ARCHIVE_INVALID', `reading ${path}: ${reason}`, {
    hint: 'give an archive of one image, or name one behind its path: docker-archive:FILE:NAME',
  });
}
