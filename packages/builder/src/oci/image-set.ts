import { type Digest, digestBytes } from '@virtainers/core';
import type { NamedImage } from './archive.ts';
import { encode, imageSize } from './image.ts';
import { MEDIA_TYPES } from './media-types.ts';
import { canonicalReference } from './reference.ts';

/** What one name stands for: an image, or one for each architecture under an index. */
export interface ImageSet {
  readonly images: readonly NamedImage[];
  /** Of the image's manifest, or of the index. */
  readonly digest: Digest;
  /** Where there are several. */
  readonly index: Buffer | undefined;
}

/** Images that are made for several platforms have one name; in the order given. */
export function imageSets(images: readonly NamedImage[]): ImageSet[] {
  const names = new Map<string, NamedImage[]>();
  for (const [number, image] of images.entries()) {
    const name = image.references[0] ?? `unnamed ${number}`;
    names.set(name, [...(names.get(name) ?? []), image]);
  }
  return [...names.values()].map(imageSet);
}

/** Of one name. */
export function imageSet(images: readonly NamedImage[]): ImageSet {
  const [only] = images;
  if (images.length === 1 && only) return { images, digest: only.image.digest, index: undefined };
  const manifests = images.map((one) => ({ ...descriptor(one), platform: platform(one) }));
  const index = encode({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests });
  return { images, digest: digestBytes(index), index };
}

/** The index.json of a layout: one entry a name (image-spec, image-layout.md). */
export function indexDocument(sets: readonly ImageSet[]): object {
  return { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: sets.map(describeSet) };
}

/** What a puller of any of them may fetch, in bytes; what they share counts once. */
export function setSize({ images, index }: ImageSet): number {
  const shared = new Map(
    images.flatMap(({ image }) => image.layers.map(({ digest, size }) => [digest, size] as const)),
  );
  const documents = images.reduce(
    (sum, { image }) => sum + imageSize(image) - image.layers.reduce((all, { size }) => all + size, 0),
    index?.length ?? 0,
  );
  return [...shared.values()].reduce((sum, size) => sum + size, documents);
}

/** `org.opencontainers.image.ref.name` is what OCI tools read, `io.containerd.image.name` containerd and Podman. */
function describeSet({ images, digest, index }: ImageSet): object {
  const [first] = images as [NamedImage];
  const reference = first.references[0];
  const names = reference !== undefined && {
    annotations: {
      'io.containerd.image.name': canonicalReference(reference),
      'org.opencontainers.image.ref.name': reference,
    },
  };
  if (index) return { mediaType: MEDIA_TYPES.index, digest, size: index.length, ...names };
  return { ...descriptor(first), ...names, platform: platform(first) };
}

function descriptor({ image }: NamedImage): object {
  return { mediaType: MEDIA_TYPES.manifest, digest: image.digest, size: image.manifest.length };
}

function platform({ arch }: NamedImage): object {
  return { architecture: arch, os: 'linux' };
}
