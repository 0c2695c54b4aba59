import { once } from '../asynchronous.ts';
import type { BuildContext } from '../context.ts';
import type { ImageDraft, NamedImage } from '../oci/archive.ts';
import { writeArchiveFile } from '../sink/archive-file.ts';
import { attachToImage } from '../sink/attach.ts';
import { writeDocument } from '../sink/document-file.ts';
import { loadIntoEngine } from '../sink/engine.ts';
import { pushToRegistry } from '../sink/registry.ts';
import type { SinkResult } from '../sink/sink.ts';
import { attest, type Origins } from '../supply/attestation.ts';
import { sign } from '../supply/cosign.ts';
import { digestLayers, rememberDigests } from './digests.ts';
import type { CommonOptions } from './options.ts';

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

/** Its documents to files, the image to the engine and, with its documents, to the registry. */
export async function sendImage(
  ctx: BuildContext,
  { named, sinks }: Delivered,
  origins: Origins,
  { load, insecure, sign: wanted }: CommonOptions,
): Promise<Delivered> {
  const { push, documents } = origins.plan;
  const attested = once(() => attest(ctx, named, origins));
  const more: SinkResult[] = [];
  for (const [kind, path] of documents) {
    const document = (await attested()).find((one) => one.kind === kind);
    if (document) more.push(await writeDocument(kind, path, document.bytes));
  }
  if (load !== undefined) more.push(await loadIntoEngine(ctx, load, named));
  if (push !== undefined) {
    const pushed = await pushToRegistry(ctx, push, named, { insecure });
    const attached = await attachToImage(ctx, push, named, await attested(), { insecure });
    more.push({ ...pushed, written: pushed.written || attached });
    if (wanted) await sign(ctx, push, named.image.digest, { ...wanted, insecure });
  }
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
