import type { FileHandle } from 'node:fs/promises';
import type { Digest } from '@virtainers/core';
import { encode, type Image } from './image.ts';
import { imageSets, indexDocument } from './image-set.ts';
import { digestedLayer, isDigested, type Layer, type LayerPlan } from './layer.ts';
import { type Segment, type StreamOptions, segmentsKey, segmentsSize, writeSegments } from './segments.ts';
import { entrySegments, type TarEntry } from './tar.ts';

/** An image and the references under which whoever loads it shall know it; the first one is its name. */
export interface NamedImage {
  readonly image: Image;
  readonly references: readonly string[];
  readonly arch: string;
  /** Seconds since 1970: the mtime of every entry. */
  readonly mtime: number;
}

/** An image before the digests of all its layers are known. */
export interface ImageDraft {
  readonly plans: readonly LayerPlan[];
  /** The image that layers with digests, in the order of `plans`, make. */
  readonly name: (layers: readonly Layer[]) => NamedImage;
}

/** A stretch of the archive at a place that depends on sizes only. */
interface Part {
  readonly offset: number;
  readonly segments: readonly Segment[];
  /** What is in it (segmentsKey), if it is a layer. */
  readonly layer?: Digest;
}

/** Stands where a digest will be that is not known yet: as long as any other. */
const UNKNOWN: Digest = `sha256:${'0'.repeat(64)}`;

/**
 * One tar that is an OCI image layout (image-spec, image-layout.md) and what `docker load` of any age reads: Docker's
 * manifest.json. index.json comes first, so that what an archive holds is known from its first kilobytes. Several images
 * stand in the order given, those of one name under an index; a layer that they share is in it once.
 */
export async function archiveSegments(images: readonly NamedImage[]): Promise<Segment[]> {
  return (await archiveParts(images)).flatMap((part) => part.segments);
}

/**
 * Writes the archive, reading each layer once: those whose digest is not known are written first, at the place that
 * sizes give them, and hashed on the way; the documents in front of them come last.
 */
export async function writeArchive(
  handle: FileHandle,
  drafts: readonly ImageDraft[],
  options: StreamOptions = {},
): Promise<NamedImage[]> {
  const unknown = ({ plans, name }: ImageDraft) => name(plans.map((plan) => withDigest(plan, UNKNOWN)));
  const layout = await archiveParts(drafts.map(unknown));
  const digests = new Map<Digest, Digest>();
  for (const plan of drafts.flatMap(({ plans }) => plans)) {
    const key = segmentsKey(plan.segments);
    const part = layout.find(({ layer }) => layer === key);
    if (isDigested(plan) || digests.has(key) || !part) continue;
    digests.set(key, await writeSegments(handle, part.offset, part.segments, options));
  }
  const found = (plan: LayerPlan) => withDigest(plan, digests.get(segmentsKey(plan.segments)) ?? UNKNOWN);
  const images = drafts.map(({ plans, name }) => name(plans.map(found)));
  for (const { layer, offset, segments } of await archiveParts(images)) {
    if (layer === undefined || !digests.has(layer)) await writeSegments(handle, offset, segments, options);
  }
  return images;
}

function withDigest(plan: LayerPlan, digest: Digest): Layer {
  return isDigested(plan) ? plan : digestedLayer(plan, digest);
}

async function archiveParts(images: readonly NamedImage[]): Promise<Part[]> {
  const mtime = images[0]?.mtime ?? 0;
  const parts: Part[] = [];
  let offset = 0;
  const add = (segments: readonly Segment[], layer?: Digest) => {
    parts.push(layer === undefined ? { offset, segments } : { offset, segments, layer });
    offset += segmentsSize(segments);
  };
  for (const entry of documentEntries(images)) add(await entrySegments(entry, mtime));
  for (const [key, layer] of distinctLayers(images)) {
    const [header, ...rest] = await entrySegments(blobEntry(layer.digest, layer.segments), mtime);
    add([header as Segment]);
    add(layer.segments, key);
    add(rest.slice(layer.segments.length));
  }
  add([Buffer.alloc(1024)]);
  return parts;
}

/** By what they are made of: digests are not always known. */
function distinctLayers(images: readonly NamedImage[]): Map<Digest, Layer> {
  const layers = images.flatMap(({ image }) => image.layers);
  return new Map(layers.map((layer) => [segmentsKey(layer.segments), layer]));
}

function documentEntries(images: readonly NamedImage[]): TarEntry[] {
  const sets = imageSets(images);
  return [
    fileEntry('index.json', encode(indexDocument(sets))),
    fileEntry('oci-layout', encode({ imageLayoutVersion: '1.0.0' })),
    // One name is one image there: that of the first architecture.
    fileEntry('manifest.json', encode(sets.map((set) => dockerManifest(set.images[0] as NamedImage)))),
    ...sets.flatMap(({ digest, index }) => (index ? [blobEntry(digest, [index])] : [])),
    ...images.flatMap(({ image }) => [
      blobEntry(image.digest, [image.manifest]),
      blobEntry(image.configDigest, [image.config]),
    ]),
  ];
}

/** moby, image/spec/v1.2.md, "Combined Image JSON + Filesystem Changeset Format". */
function dockerManifest({ image, references }: NamedImage): object {
  return {
    Config: blobPath(image.configDigest),
    RepoTags: references,
    Layers: image.layers.map((layer) => blobPath(layer.digest)),
  };
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
