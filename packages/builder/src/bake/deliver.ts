import { once } from '../asynchronous.ts';
import type { BuildContext } from '../context.ts';
import type { ImageDraft, NamedImage } from '../oci/archive.ts';
import { imageSet } from '../oci/image-set.ts';
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

/** Images with their digests, and where they went. */
export interface Delivered {
  readonly images: readonly NamedImage[];
  readonly sinks: readonly SinkResult[];
}

/** Writes archives. Writing finds out the digests that are missing; without an archive the layers are read for them. */
export async function archiveImages(
  ctx: BuildContext,
  path: string | undefined,
  drafts: readonly ImageDraft[],
): Promise<Delivered> {
  const { images, sinks } = path === undefined ? await readImages(ctx, drafts) : await writeImages(ctx, path, drafts);
  for (const [index, { image }] of images.entries()) {
    await rememberDigests(ctx, drafts[index]?.plans ?? [], image.layers);
  }
  return { images, sinks };
}

/** Images of one name, each made of what stands at its place in `made`: documents about them to files, all to the engine and the registry. */
export async function sendImages(
  ctx: BuildContext,
  { images, sinks }: Delivered,
  made: readonly Origins[],
  { load, insecure, sign: wanted }: CommonOptions,
): Promise<Delivered> {
  const push = made[0]?.plan.push;
  const attested = images.map((image, index) => once(() => attest(ctx, image, made[index] as Origins)));
  const more: SinkResult[] = [];
  for (const [index, { plan }] of made.entries()) {
    for (const [kind, path] of plan.documents) {
      const document = (await attested[index]?.())?.find((one) => one.kind === kind);
      if (document) more.push(await writeDocument(kind, path, document.bytes));
    }
  }
  if (load !== undefined) more.push(await loadIntoEngine(ctx, load, images));
  if (push !== undefined) {
    const pushed = await pushToRegistry(ctx, push, images, { insecure });
    let written = pushed.written;
    for (const [index, image] of images.entries()) {
      const attached = await attachToImage(ctx, push, image, (await attested[index]?.()) ?? [], { insecure });
      written ||= attached;
    }
    more.push({ ...pushed, written });
    if (wanted) await sign(ctx, push, imageSet(images).digest, { ...wanted, insecure });
  }
  return { images, sinks: [...sinks, ...more] };
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
