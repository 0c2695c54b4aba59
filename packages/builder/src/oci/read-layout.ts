import { open, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Digest, digestBytes, VirtainersError } from '@virtainers/core';
import type { z } from 'zod';
import { blobPath } from './archive.ts';
import { DOCKER_MEDIA_TYPES, MEDIA_TYPES } from './media-types.ts';
import {
  configSchema,
  type Descriptor,
  type ImageConfig,
  indexSchema,
  type Manifest,
  manifestSchema,
} from './schema.ts';
import { indexTar, readExactly, type TarMember } from './tar-index.ts';

/** An image that somebody else may have written: its documents, each checked against its digest. */
export interface StoredImage {
  readonly origin: string;
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** As it is stored; undefined where there is none. */
  readonly rawManifest: Buffer | undefined;
  readonly rawConfig: Buffer;
  /** The name that the index gives it. */
  readonly reference: string | undefined;
  /** Its layers' digests are of what they unpack to: nothing says what their stored bytes hash to. */
  readonly layersByDiffID?: true;
  /** Where a blob's bytes lie; ARCHIVE_INVALID when it is not there or has another size. */
  locate(descriptor: Descriptor): Promise<{ path: string } & TarMember>;
}

/** Where the files of a layout lie: in a folder, or inside a tar. */
type Locate = (name: string) => Promise<({ path: string } & TarMember) | undefined>;

const LARGEST_DOCUMENT = 4 * 1024 * 1024;
const INDEX_TYPES: readonly string[] = [MEDIA_TYPES.index, DOCKER_MEDIA_TYPES.index];

/**
 * Opens an OCI image layout, unpacked or as one tar: the only image in it, or that of `arch`; `wanted` names one of several.
 * ARCHIVE_INVALID.
 */
export async function openImage(origin: string, arch?: string, wanted?: string): Promise<StoredImage> {
  const { locate, manifests } = await openLayout(origin);
  const chosen = await chooseManifest(namedManifests(manifests, wanted), locate, origin, arch);
  const bytes = await readBlob(locate, chosen.descriptor, origin);
  return describe(origin, locate, bytes, chosen.reference);
}

/** Opens every image for Linux in a layout, those of one name for several platforms too. ARCHIVE_INVALID. */
export async function openImages(origin: string): Promise<StoredImage[]> {
  const { locate, manifests } = await openLayout(origin);
  const all = await allManifests(manifests, locate, origin);
  if (all.length === 0) throw invalid(origin, 'it holds no image');
  return Promise.all(
    all.map(async ({ descriptor, reference }) =>
      describe(origin, locate, await readBlob(locate, descriptor, origin), reference),
    ),
  );
}

async function openLayout(origin: string): Promise<{ locate: Locate; manifests: readonly Descriptor[] }> {
  const locate = (await stat(origin)).isDirectory() ? inFolder(origin) : inTar(origin, await indexTar(origin));
  const index = await locate('index.json');
  if (!index) {
    throw invalid(
      origin,
      'it has no index.json',
      `make one with: skopeo copy docker-archive:${origin} oci-archive:NEW`,
    );
  }
  return { locate, manifests: parse(indexSchema, await readMember(index, origin), `${origin}, index.json`).manifests };
}

/** Opens what `skopeo copy` writes into `dir:FOLDER`: the manifest as it is, blobs by their digests alone. ARCHIVE_INVALID. */
export async function openCopy(folder: string, origin: string): Promise<StoredImage> {
  const inCopy = inFolder(folder);
  const locate: Locate = (name) => inCopy(basename(name));
  const manifest = await locate('manifest.json');
  if (!manifest) throw invalid(origin, 'its copy has no manifest');
  return describe(origin, locate, await readMember(manifest, origin), undefined);
}

async function describe(
  origin: string,
  locate: Locate,
  bytes: Buffer,
  reference: string | undefined,
): Promise<StoredImage> {
  const digest = digestBytes(bytes);
  const manifest = parse(manifestSchema, bytes, `${origin}, manifest ${digest}`);
  const rawConfig = await readBlob(locate, manifest.config, origin);
  const config = parse(configSchema, rawConfig, `${origin}, image config`);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw invalid(origin, `it has ${manifest.layers.length} layers but ${config.rootfs.diff_ids.length} diff ids`);
  }
  return {
    ...{ origin, digest, manifest, config, rawManifest: bytes, rawConfig, reference },
    locate: (descriptor) => locateBlob(locate, descriptor, origin),
  };
}

/** What the first bytes of an archive say: its images' manifest digests and names. Undefined when it is none of ours. */
export async function readArchiveHead(
  path: string,
): Promise<{ digest: Digest; reference: string | undefined }[] | undefined> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const header = (await readExactly(handle, 0, 512)).toString('latin1');
    const size = Number.parseInt(header.slice(124, 135), 8);
    if (!header.startsWith('index.json\0') || !(size < LARGEST_DOCUMENT)) return undefined;
    const index = indexSchema.parse(JSON.parse((await readExactly(handle, 512, size)).toString('utf8')));
    return index.manifests.map(({ digest, annotations }) => ({
      digest,
      reference: annotations?.['org.opencontainers.image.ref.name'],
    }));
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

interface Choice {
  readonly descriptor: Descriptor;
  readonly reference: string | undefined;
}

function namedManifests(manifests: readonly Descriptor[], wanted: string | undefined): readonly Descriptor[] {
  if (wanted === undefined) return manifests;
  return manifests.filter(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === wanted);
}

async function chooseManifest(
  manifests: readonly Descriptor[],
  locate: Locate,
  origin: string,
  arch: string | undefined,
  depth = 0,
): Promise<Choice> {
  const fits = arch ? manifests.filter(({ platform }) => !platform || isFor(platform, arch)) : manifests;
  const [descriptor] = fits;
  if (!descriptor) throw invalid(origin, `it holds no image${arch ? ` for ${arch}` : ''}`);
  if (fits.length > 1)
    throw invalid(
      origin,
      `it holds ${fits.length} images`,
      'give an archive of one image, or name one behind its path: oci-archive:FILE:NAME',
    );
  const reference = descriptor.annotations?.['org.opencontainers.image.ref.name'];
  if (!INDEX_TYPES.includes(descriptor.mediaType)) return { descriptor, reference };
  if (depth > 2) throw invalid(origin, 'its indexes are nested too deeply');
  const inner = parse(indexSchema, await readBlob(locate, descriptor, origin), `${origin}, index ${descriptor.digest}`);
  const choice = await chooseManifest(inner.manifests, locate, origin, arch, depth + 1);
  return { descriptor: choice.descriptor, reference: reference ?? choice.reference };
}

async function allManifests(
  manifests: readonly Descriptor[],
  locate: Locate,
  origin: string,
  outer?: string | undefined,
  depth = 0,
): Promise<Choice[]> {
  if (depth > 2) throw invalid(origin, 'its indexes are nested too deeply');
  const found = manifests
    .filter(({ platform }) => platform === undefined || platform.os === 'linux')
    .map(async (descriptor): Promise<Choice[]> => {
      const reference = descriptor.annotations?.['org.opencontainers.image.ref.name'] ?? outer;
      if (!INDEX_TYPES.includes(descriptor.mediaType)) return [{ descriptor, reference }];
      const where = `${origin}, index ${descriptor.digest}`;
      const inner = parse(indexSchema, await readBlob(locate, descriptor, origin), where);
      return allManifests(inner.manifests, locate, origin, reference, depth + 1);
    });
  return (await Promise.all(found)).flat();
}

/** Whether a platform of an index is Linux on `arch`; an attestation's is `unknown`. */
export function isFor(platform: Descriptor['platform'], arch: string): boolean {
  return platform?.os === 'linux' && platform.architecture === arch;
}

function inFolder(folder: string): Locate {
  return async (name) => {
    const path = join(folder, name);
    const stats = await stat(path).catch(() => undefined);
    return stats?.isFile() ? { path, offset: 0, size: stats.size } : undefined;
  };
}

function inTar(path: string, members: ReadonlyMap<string, TarMember>): Locate {
  return async (name) => {
    const member = members.get(name);
    return member && { path, ...member };
  };
}

async function locateBlob(
  locate: Locate,
  descriptor: Descriptor,
  origin: string,
): Promise<{ path: string } & TarMember> {
  const member = await locate(blobPath(descriptor.digest));
  if (!member) throw invalid(origin, `blob ${descriptor.digest} is missing`);
  if (member.size !== descriptor.size) {
    throw invalid(origin, `blob ${descriptor.digest} has ${member.size} bytes instead of ${descriptor.size}`);
  }
  return member;
}

async function readBlob(locate: Locate, descriptor: Descriptor, origin: string): Promise<Buffer> {
  const bytes = await readMember(await locateBlob(locate, descriptor, origin), origin);
  const digest = digestBytes(bytes);
  if (digest === descriptor.digest) return bytes;
  throw new VirtainersError('DIGEST_MISMATCH', `reading ${origin}: expected ${descriptor.digest}, got ${digest}`);
}

/** A document, of bounded size. */
export async function readMember(member: { path: string } & TarMember, origin: string): Promise<Buffer> {
  if (member.size > LARGEST_DOCUMENT) throw invalid(origin, `a document in it has ${member.size} bytes`);
  if (member.offset === 0) return readFile(member.path);
  const handle = await open(member.path, 'r');
  try {
    return await readExactly(handle, member.offset, member.size);
  } finally {
    await handle.close();
  }
}

/** Parses a JSON document of an image; `where` is named in the error. */
export function parse<T>(schema: z.ZodType<T>, bytes: Buffer, where: string): T {
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new VirtainersError('ARCHIVE_INVALID', `reading ${where}: not JSON`, { cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`);
  throw new VirtainersError('ARCHIVE_INVALID', `reading ${where}: ${problems.join('; ')}`, { cause: result.error });
}

function invalid(origin: string, reason: string, hint?: string): VirtainersError {
  return new VirtainersError('ARCHIVE_INVALID', `reading ${origin}: ${reason}`, { hint });
}
