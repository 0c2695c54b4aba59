import { type Digest, isDigest, VirtainersError } from '@virtainers/core';
import type { BuildContext } from './context.ts';
import { isLocalImage } from './oci/local-image.ts';
import { openImage, openImages } from './oci/read-layout.ts';
import { readRegistryImage, readRegistryImages } from './oci/registry-image.ts';
import { readArtifact } from './oci/registry-referrers.ts';
import type { ImageConfig, Manifest } from './oci/schema.ts';
import { ATTESTATIONS, type AttestationKind } from './supply/attestation.ts';

/** What an image says about itself; all of it, but digests and sizes, is the word of whoever made it. */
export interface ImageFacts {
  /** As it was given. */
  readonly origin: string;
  /** The name that an archive's index gives it, or the registry's reference. */
  readonly reference?: string | undefined;
  readonly digest: Digest;
  /** Docker's and Podman's image id. */
  readonly configDigest: Digest;
  readonly created?: string | undefined;
  readonly arch: string;
  /** Made by virtainers, by its labels. */
  readonly virtainer: boolean;
  readonly name?: string | undefined;
  readonly user?: string | undefined;
  readonly osinfo?: string | undefined;
  readonly ports: readonly number[];
  readonly firmware?: string | undefined;
  /** What it brings above its runtime root, by name. */
  readonly features: readonly string[];
  readonly disk?: { readonly sha256: Digest; readonly size: number; readonly virtualSize: number } | undefined;
  readonly layers: readonly LayerFacts[];
  readonly labels: Readonly<Record<string, string>>;
  /** What a puller fetches, in bytes. */
  readonly size: number;
}

export interface LayerFacts {
  readonly digest: Digest;
  readonly diffID: Digest;
  readonly mediaType: string;
  readonly size: number;
  /** What its history entry says made it. */
  readonly what?: string | undefined;
}

/**
 * The document about an image that lies beside it in its registry, checked against its digest. SOURCE_UNAVAILABLE where
 * there is none; ARGUMENTS_BAD for an archive, which has no place for it.
 */
export async function readAttestation(
  ctx: Pick<BuildContext, 'exec' | 'env' | 'signal' | 'cacheDir'>,
  origin: string,
  kind: AttestationKind,
  options: { readonly insecure?: boolean | undefined } = {},
): Promise<Buffer> {
  if (await isLocalImage(origin)) {
    const hint = `make one of your own: virtainers bake NAME --output ${origin} --${kind} FILE`;
    throw new VirtainersError('ARGUMENTS_BAD', `${origin}: documents lie beside an image in a registry`, { hint });
  }
  const { digest } = await readRegistryImage(ctx, origin, options);
  const found = await readArtifact(ctx, origin, digest, ATTESTATIONS[kind], options);
  if (found) return found;
  throw new VirtainersError(
    'SOURCE_UNAVAILABLE',
    `${origin}: nothing of type ${ATTESTATIONS[kind]} refers to ${digest}`,
    {
      hint: 'images that `virtainers bake --push` sends bring it along',
    },
  );
}

interface Documents {
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  readonly reference: string | undefined;
}

/**
 * Reads the documents of an archive, an OCI layout folder or a registry's image, and no layer. SOURCE_UNAVAILABLE for a
 * file that is not there, ARCHIVE_INVALID, DIGEST_MISMATCH; for a registry what skopeo says.
 */
export async function inspectImage(
  ctx: Pick<BuildContext, 'exec' | 'env' | 'signal'>,
  origin: string,
  options: { readonly insecure?: boolean | undefined } = {},
): Promise<ImageFacts> {
  if (await isLocalImage(origin)) return describe(origin, await openImage(origin));
  const image = await readRegistryImage(ctx, origin, options);
  return describe(origin, { ...image, reference: origin });
}

/** As inspectImage, of every image that is there: one name may stand for one for each platform. */
export async function inspectImages(
  ctx: Pick<BuildContext, 'exec' | 'env' | 'signal'>,
  origin: string,
  options: { readonly insecure?: boolean | undefined } = {},
): Promise<ImageFacts[]> {
  if (await isLocalImage(origin)) return (await openImages(origin)).map((image) => describe(origin, image));
  const images = await readRegistryImages(ctx, origin, options);
  return images.map((image) => describe(origin, { ...image, reference: origin }));
}

function describe(origin: string, { digest, manifest, config, reference }: Documents): ImageFacts {
  const labels = config.config?.Labels ?? {};
  const label = (name: string) => labels[`io.virtainers.${name}`];
  const ports = (label('ports') ?? '').split(',').filter((port) => /^\d{1,5}$/.test(port));
  return {
    origin,
    ...(reference === undefined ? {} : { reference }),
    digest,
    configDigest: manifest.config.digest,
    created: config.created,
    arch: config.architecture,
    virtainer: label('format-version') !== undefined,
    name: label('name'),
    user: label('user'),
    osinfo: label('osinfo'),
    ports: ports.map(Number),
    firmware: label('firmware'),
    features: (label('features') ?? '').split(',').filter(Boolean),
    disk: describeDisk(label),
    layers: describeLayers(manifest, config),
    labels,
    size: [manifest.config, ...manifest.layers].reduce((sum, { size }) => sum + size, 0),
  };
}

function describeDisk(label: (name: string) => string | undefined): ImageFacts['disk'] {
  const sha256 = label('disk.sha256');
  const [size, virtualSize] = [Number(label('disk.size')), Number(label('disk.virtual-size'))];
  if (!isDigest(sha256) || !Number.isSafeInteger(size) || !Number.isSafeInteger(virtualSize)) return undefined;
  return { sha256, size, virtualSize };
}

/** History has an entry for every layer, and more for steps that made none (image-spec, config.md, "history"). */
function describeLayers(manifest: Manifest, config: ImageConfig): LayerFacts[] {
  const history = (config.history ?? []).filter((entry) => !entry.empty_layer);
  return manifest.layers.map(({ digest, mediaType, size }, index) => {
    const what = history[index]?.created_by?.replace(/^virtainers: /, '').slice(0, 80);
    const diffID = config.rootfs.diff_ids[index] ?? digest;
    return { digest, diffID, mediaType, size, ...(what === undefined ? {} : { what }) };
  });
}
