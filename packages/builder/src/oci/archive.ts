import type { FileHandle } from 'node:fs/promises';
import { encode, type Image } from './image.ts';
import { digestedLayer, isDigested, type Layer, type LayerName, type LayerPlan } from './layer.ts';
import { MEDIA_TYPES } from './media-types.ts';
import { canonicalReference } from './reference.ts';
import { type Segment, type StreamOptions, segmentsSize, writeSegments } from './segments.ts';
import { entrySegments, type TarEntry } from './tar.ts';

/** An image and the references under which whoever loads it shall know it; the first one is its name. */
export interface NamedImage {
  readonly image: Image;
  readonly references: readonly string[];
  readonly arch: string;
  /** Seconds since 1970: the mtime of every entry. */
  readonly mtime: number;
}

/** A stretch of the archive at a place that depends on sizes only. */
interface Part {
  readonly offset: number;
  readonly segments: readonly Segment[];
  readonly layer?: LayerName;
}

/** Stands where a digest will be that is not known yet: as long as any other. */
const UNKNOWN = `sha256:${'0'.repeat(64)}` as const;

/**
 * One tar that is an OCI image layout (image-spec, image-layout.md) and what `docker load` of any age reads: Docker's
 * manifest.json. index.json comes first, so that what an archive holds is known from its first kilobytes.
 */
export async function archiveSegments(named: NamedImage): Promise<Segment[]> {
  return (await archiveParts(named)).flatMap((part) => part.segments);
}

/**
 * Writes the archive, reading each layer once: those whose digest is not known are written first, at the place that
 * sizes give them, and hashed on the way; the documents in front of them come last.
 */
export async function writeArchive(
  handle: FileHandle,
  plans: readonly LayerPlan[],
  name: (layers: readonly Layer[]) => NamedImage,
  options: StreamOptions = {},
): Promise<Image> {
  const draft = await archiveParts(name(plans.map((plan) => (isDigested(plan) ? plan : digestedLayer(plan, UNKNOWN)))));
  const layers: Layer[] = [];
  const done = new Set<LayerName>();
  for (const plan of plans) {
    const part = draft.find((candidate) => candidate.layer === plan.name);
    if (isDigested(plan) || !part) {
      layers.push(plan as Layer);
      continue;
    }
    layers.push(digestedLayer(plan, await writeSegments(handle, part.offset, part.segments, options)));
    done.add(plan.name);
  }
  const named = name(layers);
  for (const part of await archiveParts(named)) {
    if (part.layer === undefined || !done.has(part.layer)) {
      await writeSegments(handle, part.offset, part.segments, options);
    }
  }
  return named.image;
}

async function archiveParts(named: NamedImage): Promise<Part[]> {
  const parts: Part[] = [];
  let offset = 0;
  const add = (segments: readonly Segment[], layer?: LayerName) => {
    parts.push(layer === undefined ? { offset, segments } : { offset, segments, layer });
    offset += segmentsSize(segments);
  };
  for (const entry of documentEntries(named)) add(await entrySegments(entry, named.mtime));
  for (const layer of named.image.layers) {
    const entry = blobEntry(layer.digest, layer.segments);
    const [header, ...rest] = await entrySegments(entry, named.mtime);
    const padding = rest.slice(layer.segments.length);
    add([header as Segment]);
    add(layer.segments, layer.name);
    add(padding);
  }
  add([Buffer.alloc(1024)]);
  return parts;
}

function documentEntries({ image, references, arch }: NamedImage): TarEntry[] {
  return [
    fileEntry('index.json', encode(indexDocument(image, references, arch))),
    fileEntry('oci-layout', encode({ imageLayoutVersion: '1.0.0' })),
    fileEntry('manifest.json', encode(dockerManifest(image, references))),
    blobEntry(image.digest, [image.manifest]),
    blobEntry(image.configDigest, [image.config]),
  ];
}

/** `org.opencontainers.image.ref.name` is what OCI tools read, `io.containerd.image.name` containerd and Podman. */
export function indexDocument(image: Image, references: readonly string[], arch: string): object {
  const [reference] = references;
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.index,
    manifests: [
      {
        mediaType: MEDIA_TYPES.manifest,
        digest: image.digest,
        size: image.manifest.length,
        ...(reference === undefined
          ? {}
          : {
              annotations: {
                'io.containerd.image.name': canonicalReference(reference),
                'org.opencontainers.image.ref.name': reference,
              },
            }),
        platform: { architecture: arch, os: 'linux' },
      },
    ],
  };
}

/** moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format". */
function dockerManifest(image: Image, references: readonly string[]): object {
  return [
    {
      Config: blobPath(image.configDigest),
      RepoTags: references,
      Layers: image.layers.map((layer) => blobPath(layer.digest)),
    },
  ];
}

export function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function fileEntry(path: string, bytes: Buffer): TarEntry {
  return { path, mode: 0o644, content: [bytes] };
}

function blobEntry(digest: string, content: readonly Segment[]): TarEntry {
  return { path: blobPath(digest), mode: 0o644, content };
}
