import type { BuildContext } from '../context.ts';
import type { ImageDraft, NamedImage } from '../oci/archive.ts';
import { writeArchiveFile } from '../sink/archive-file.ts';
import { loadIntoEngine } from '../sink/engine.ts';
import { pushToRegistry } from '../sink/registry.ts';
import type { SinkResult } from '../sink/sink.ts';
import { digestLayers, rememberDigests } from './digests.ts';
import type { CommonOptions } from './options.ts';
import type { ImagePlan } from './plan.ts';

/** An image with its digests, and where it went. */
export interface Delivered {
  readonly named: NamedImage;
  readonly sinks: readonly SinkResult[];
}

/** Writes archives. Writing finds out the digests that are missing; without an archive the layers are read for them. */
export async function archiveImages(
  ctx: BuildContext,
  path: string | undefined,
  drafts: readonly ImageDraft[],
): Promise<Delivered[]> {
  const { images, sinks } = path === undefined ? await readImages(ctx, drafts) : await writeImages(ctx, path, drafts);
  for (const [index, { image }] of images.entries()) {
    await rememberDigests(ctx, drafts[index]?.plans ?? [], image.layers);
  }
  return images.map((named) => ({ named, sinks }));
}

/** To the engine and the registry. */
export async function sendImage(
  ctx: BuildContext,
  { named, sinks }: Delivered,
  { push }: ImagePlan,
  { load, insecure }: CommonOptions,
): Promise<Delivered> {
  const more: SinkResult[] = [];
  if (load !== undefined) more.push(await loadIntoEngine(ctx, load, named));
  if (push !== undefined) more.push(await pushToRegistry(ctx, push, named, { insecure }));
  return { named, sinks: [...sinks, ...more] };
}

async function writeImages(ctx: BuildContext, path: string, drafts: readonly ImageDraft[]) {
  const { images, result } = await writeArchiveFile(ctx, path, drafts);
  return { images, sinks: [result] };
}

async function readImages(ctx: BuildContext, drafts: readonly ImageDraft[]) {
  const images: NamedImage[] = [];
  for (const { plans, name } of drafts) images.push(name(await digestLayers(ctx, plans)));
  return { images, sinks: [] };
}
