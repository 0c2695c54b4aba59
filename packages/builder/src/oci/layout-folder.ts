import { link, mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { blobPath } from './archive.ts';
import { encode } from './image.ts';
import { type ImageSet, indexDocument } from './image-set.ts';
import type { Layer } from './layer.ts';
import { type StreamOptions, writeSegments } from './segments.ts';

/** Writes images of one name as an OCI layout into an empty folder; a layer that is a file of the same file system is linked. */
export async function writeLayoutFolder(folder: string, set: ImageSet, options: StreamOptions = {}): Promise<void> {
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
  await writeFile(join(folder, 'oci-layout'), encode({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(folder, 'index.json'), encode(indexDocument([set])));
  if (set.index) await writeFile(join(folder, blobPath(set.digest)), set.index);
  for (const { image } of set.images) {
    await writeFile(join(folder, blobPath(image.digest)), image.manifest);
    await writeFile(join(folder, blobPath(image.configDigest)), image.config);
  }
  const layers = set.images.flatMap(({ image }) => image.layers.map((layer) => [layer.digest, layer] as const));
  for (const [digest, layer] of new Map(layers)) await writeLayer(join(folder, blobPath(digest)), layer, options);
}

async function writeLayer(path: string, layer: Layer, options: StreamOptions): Promise<void> {
  const [only, ...others] = layer.segments;
  if (only && others.length === 0 && !Buffer.isBuffer(only) && (await tryLink(only.path, path))) return;
  await mkdir(dirname(path), { recursive: true });
  const handle = await open(path, 'wx');
  try {
    await writeSegments(handle, 0, layer.segments, options);
  } finally {
    await handle.close();
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  return link(from, to).then(
    () => true,
    () => false,
  );
}
