import { type Digest, digestBytes } from '@virtainers/core';
import { encode } from './image.ts';
import { MEDIA_TYPES } from './media-types.ts';
import type { Descriptor } from './schema.ts';

/** A document about an image, to lie beside it in a registry. */
export interface Artifact {
  /** Media type, which is also what kind of artifact it is. */
  readonly type: string;
  readonly bytes: Buffer;
}

/** An artifact as a registry stores it: a manifest with a subject (image-spec 1.1, manifest.md). */
export interface StoredArtifact extends Artifact {
  readonly manifest: Buffer;
  readonly digest: Digest;
  /** As it stands in an index of what refers to the image. */
  readonly descriptor: Descriptor;
}

/** The one config that says nothing (image-spec 1.1, manifest.md, "Guidance for an Empty Descriptor"). */
export const EMPTY = Buffer.from('{}');

/** Pure: the same artifact of the same image has the same digest. */
export function storedArtifact(artifact: Artifact, subject: { digest: Digest; manifest: Buffer }): StoredArtifact {
  const { type, bytes } = artifact;
  const manifest = encode({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.manifest,
    artifactType: type,
    config: { mediaType: MEDIA_TYPES.empty, digest: digestBytes(EMPTY), size: EMPTY.length },
    layers: [{ mediaType: type, digest: digestBytes(bytes), size: bytes.length }],
    subject: { mediaType: MEDIA_TYPES.manifest, digest: subject.digest, size: subject.manifest.length },
  });
  const digest = digestBytes(manifest);
  const descriptor = { mediaType: MEDIA_TYPES.manifest, digest, size: manifest.length, artifactType: type };
  return { ...artifact, manifest, digest, descriptor };
}

/** The tag of the index of what refers to a manifest (distribution-spec 1.1, "Referrers Tag Schema"). */
export function referrersTag(digest: Digest): string {
  return digest.replace(':', '-');
}

/** Stands for `artifactType` in an index that a skopeo sends which does not know that field. */
const TYPE_ANNOTATION = 'io.virtainers.artifact-type';

/** What those that an index lists are: of artifacts the type, of others nothing. */
export function artifactTypeOf({ artifactType, annotations }: Descriptor): string | undefined {
  return artifactType ?? annotations?.[TYPE_ANNOTATION];
}

/** Those that refer to an image with `artifacts` at their end; others stay. Undefined: all are there already. */
export function withReferrers(
  known: readonly Descriptor[],
  artifacts: readonly StoredArtifact[],
): Descriptor[] | undefined {
  if (artifacts.every(({ digest }) => known.some((one) => one.digest === digest))) return undefined;
  const others = known.filter((one) => !artifacts.some(({ digest }) => digest === one.digest));
  return [...others, ...artifacts.map(({ descriptor }) => descriptor)];
}

/** The index of them. Fields stand in the order of Go's struct: skopeo refuses to send what it would write differently. */
export function referrersIndex(manifests: readonly Descriptor[]): Buffer {
  return encode({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests });
}

/** The same for image-spec 1.0, whose descriptors have no `artifactType`: it stands in an annotation. */
export function plainReferrersIndex(manifests: readonly Descriptor[]): Buffer {
  return referrersIndex(
    manifests.map(({ artifactType, annotations, platform, ...rest }) => ({
      ...rest,
      ...(artifactType === undefined
        ? { annotations }
        : { annotations: { ...annotations, [TYPE_ANNOTATION]: artifactType } }),
      platform,
    })),
  );
}
