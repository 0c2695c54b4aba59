import { link, mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { blobPath, indexDocument, type NamedImage } from './archive.ts';
import { encode } from './image.ts';
import type { Layer } from './layer.ts';
import { type StreamOptions, writeSegments } from './segments.ts';

/** Writes an image as an OCI layout into an empty folder; a layer that is a file of the same file system is linked. */
export async function writeLayoutFolder(folder: string, named: NamedImage, options: StreamOptions = {}): Promise<void> {
  const { image } = named;
  await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
  await writeFile(join(folder, 'oci-layout'), encode({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(folder, 'index.json'), encode(indexDocument([named])));
  await writeFile(join(folder, blobPath(image.digest)), image.manifest);
  await writeFile(join(folder, blobPath(image.configDigest)), image.config);
  for (const layer of image.layers) await writeLayer(join(folder, blobPath(layer.digest)), layer, options);
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
