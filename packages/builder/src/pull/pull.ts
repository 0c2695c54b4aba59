import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestBytes, digestFile, VirtainersError } from '@virtainers/core';
import { workingIn } from '../cache-lock.ts';
import type { BuildContext } from '../context.ts';
import type { NamedImage } from '../oci/archive.ts';
import { imageSize } from '../oci/image.ts';
import type { Layer } from '../oci/layer.ts';
import { parseReference } from '../oci/reference.ts';
import { type BaseImage, OVERLAYS_LABEL } from '../publish/base-image.ts';
import { takeDisks } from '../publish/image-disks.ts';
import { openOrigin } from '../publish/open-origin.ts';
import { writeArchiveFile } from '../sink/archive-file.ts';
import { type Engine, engineHolds, loadIntoEngine } from '../sink/engine.ts';
import type { SinkResult } from '../sink/sink.ts';

export interface PullRequest {
  /** A registry's. */
  readonly reference: string;
  /** The engine that shall have the image. */
  readonly load?: Engine | undefined;
  /** An archive to write. */
  readonly output?: string | undefined;
  readonly insecure?: boolean | undefined;
  readonly arch?: string | undefined;
}

export interface PullResult {
  readonly reference: string;
  /** Of the manifest, as the registry has it. */
  readonly digest: Digest;
  /** Manifest, config and layers, in bytes. */
  readonly size: number;
  /** How much of that came from the registry, in bytes of layers. */
  readonly fetched: number;
  /** The base disk, then the published overlays: the sha256 of each, which their bytes were found to have. */
  readonly disks: readonly Digest[];
  readonly sinks: readonly SinkResult[];
}

/**
 * Takes an image out of a registry, into an engine, an archive or both: every layer by its digest, and its disks against what
 * the image says of them and of one another. What is kept in the cache, or was pulled before, is not fetched again; nothing is
 * where the engine has the image already. ARCHIVE_INVALID for what is no virtainer; DIGEST_MISMATCH.
 */
export async function pull(ctx: BuildContext, request: PullRequest): Promise<PullResult> {
  const reference = parseReference(request.reference);
  return workingIn(ctx, 'pull', async (folder) => {
    const image = await openOrigin(ctx, reference, request);
    const disks = disksOf(image);
    const named = nameIt(image, reference, []);
    const size = imageSize(named.image);
    const result = { reference, digest: image.digest, size, disks };
    const held = request.load !== undefined && (await engineHolds(ctx, request.load, named));
    if (held && request.output === undefined) {
      return { ...result, fetched: 0, sinks: [{ kind: request.load, target: reference, written: false }] };
    }
    const { layers, fetched } = await fetch(ctx, image, folder);
    await checkDisks(ctx, { ...image, fetch: async () => layers }, disks, folder);
    return { ...result, fetched, sinks: await deliver(ctx, nameIt(image, reference, layers), request) };
  });
}

/** As the labels say; ARCHIVE_INVALID where they say nothing. */
function disksOf({ origin, config }: BaseImage): Digest[] {
  const labels = config.config?.Labels ?? {};
  const base = labels['io.virtainers.disk.sha256'];
  if (labels['io.virtainers.name'] === undefined) {
    throw new VirtainersError('ARCHIVE_INVALID', `pulling ${origin}: it is not a virtainer`, {
      hint: 'any other image is pulled by the engine itself: docker pull',
    });
  }
  const overlays = (labels[OVERLAYS_LABEL] ?? '').split(',').filter(Boolean);
  return base === undefined ? [] : ([base, ...overlays] as Digest[]);
}

/** In the manifest's own bytes, so that the digest stays. */
function nameIt(image: BaseImage, reference: string, layers: readonly Layer[]): NamedImage {
  const { digest, rawManifest: manifest, rawConfig: config } = image;
  if (!manifest) throw new Error(`${image.origin} has no manifest`);
  const described = layers.length > 0 ? layers : image.layers.map((layer): Layer => ({ ...layer, segments: [] }));
  return {
    image: { layers: described, manifest, config, configDigest: digestBytes(config), digest },
    ...{ references: [reference], arch: image.config.architecture, mtime: 0 },
  };
}

async function fetch(ctx: BuildContext, image: BaseImage, folder: string) {
  const total = image.layers.reduce((sum, { size }) => sum + size, 0);
  ctx.onEvent({ type: 'start', step: 'fetch', title: `fetching ${image.origin}` });
  const kept = await soundBlobs(ctx, image);
  const missing = image.layers.filter(({ digest }) => !kept.has(digest));
  const fetched = missing.reduce((sum, { size }) => sum + size, 0);
  const layers = await image.fetch(folder);
  ctx.onEvent({ type: 'progress', step: 'fetch', done: total, total });
  ctx.onEvent({ type: 'end', step: 'fetch', note: image.digest, cached: fetched === 0 });
  return { layers, fetched };
}

/** Layers that are in the cache; what has taken harm there is removed, and so fetched again. */
async function soundBlobs({ cacheDir }: BuildContext, { layers }: BaseImage): Promise<ReadonlySet<Digest>> {
  const folder = join(cacheDir, 'blobs', 'sha256');
  const here = new Set(await readdir(folder).catch(() => []));
  const sound = new Set<Digest>();
  for (const { digest, size } of layers.filter((layer) => here.has(layer.digest.slice(7)))) {
    const path = join(folder, digest.slice(7));
    if ((await stat(path)).size === size && (await digestFile(path)) === digest) sound.add(digest);
    else await rm(path, { force: true });
  }
  return sound;
}

/** An image without a disk has nothing to be checked: the generic one. */
async function checkDisks(ctx: BuildContext, image: BaseImage, said: readonly Digest[], folder: string): Promise<void> {
  if (said.length === 0) return;
  ctx.onEvent({ type: 'start', step: 'disk', title: 'checking its disks' });
  const { chain } = await takeDisks(ctx, image, join(folder, 'disks'));
  const found = chain.map(({ sha256 }) => sha256);
  if (found.join() !== said.join()) {
    throw new VirtainersError(
      'DIGEST_MISMATCH',
      `pulling ${image.origin}: its labels name the disks ${said.join(', ')}; in it are ${found.join(', ')}`,
      { hint: 'whoever put it together changed its disks: publish or bake it again' },
    );
  }
  ctx.onEvent({ type: 'end', step: 'disk', note: `${found.length} as recorded`, cached: false });
}

async function deliver(ctx: BuildContext, named: NamedImage, { load, output }: PullRequest): Promise<SinkResult[]> {
  const sinks: SinkResult[] = [];
  if (output !== undefined) {
    const draft = { plans: named.image.layers, name: () => named };
    sinks.push((await writeArchiveFile(ctx, output, [draft])).result);
  }
  if (load !== undefined) sinks.push(await loadIntoEngine(ctx, load, [named]));
  return sinks;
}
