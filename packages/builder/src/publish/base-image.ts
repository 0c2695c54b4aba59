import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ChainLink, type Digest, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { Layer } from '../oci/layer.ts';
import { parse } from '../oci/read-layout.ts';
import { type InsecureRegistries, isInsecure } from '../oci/reference.ts';
import { configSchema, type ImageConfig } from '../oci/schema.ts';
import { skopeo } from '../oci/skopeo.ts';
import { recallImage } from './baked-images.ts';
import { openOrigin } from './open-origin.ts';

/** Names the published overlays of an image, bottom first: their sha256, separated by commas. */
export const OVERLAYS_LABEL = 'io.virtainers.overlays';

/** The image that an overlay was made from; its layers without their bytes until these are asked for. */
export interface BaseImage {
  /** For people. */
  readonly origin: string;
  readonly digest: Digest;
  readonly rawManifest: Buffer | undefined;
  readonly rawConfig: Buffer;
  readonly config: ImageConfig;
  /** Bottom first. */
  readonly layers: readonly Omit<Layer, 'segments'>[];
  /** `host/name@digest` where a registry has it. */
  readonly registry: string | undefined;
  /** That registry is spoken to as RegistryOptions.insecure says. */
  readonly insecure?: boolean | undefined;
  /** The layers with their bytes, which lie in `folder` where they had to be fetched. */
  fetch(folder: string): Promise<readonly Layer[]>;
}

export interface BaseWanted {
  /** What the overlay was made on, the base disk first. */
  readonly chain: readonly ChainLink[];
  /** Of the layers of that very image, where they are known: another one may have the same disk. */
  readonly diffIDs?: readonly Digest[] | undefined;
  /** Where to look for it, the likeliest first. */
  readonly references: readonly string[];
  /** Has the engine that made the overlay write its image into a file, as `docker save` does. */
  readonly save?: ((file: string) => Promise<void>) | undefined;
  readonly insecure?: InsecureRegistries | undefined;
}

/**
 * Finds the image that an overlay was made from: by the references, then among what was baked here, then in the engine, which
 * gives it away into `folder`. An image is known by what it holds, its layers and its disks, so that a tag that was moved is
 * passed over; one with the same disks and other layers, as `upgrade` makes it, is taken where there is no better one.
 * BASE_MISMATCH where none has the disks.
 */
export async function findBaseImage(
  ctx: BuildContext,
  { chain, diffIDs, references, save, insecure }: BaseWanted,
  folder: string,
): Promise<BaseImage> {
  const tried: string[] = [];
  const alike: BaseImage[] = [];
  const isIt = ({ config }: BaseImage) => diffIDs === undefined || config.rootfs.diff_ids.join() === diffIDs.join();
  for (const reference of references) {
    const found = await openOrigin(ctx, reference, { insecure: isInsecure(reference, insecure) }).catch(
      (error: unknown) => reasonOf(error),
    );
    const problem = typeof found === 'string' ? found : chainProblem(found.config, chain);
    if (typeof found !== 'string' && problem === undefined) {
      if (isIt(found)) return found;
      alike.push(found);
    }
    tried.push(`  ${reference}: ${problem}`);
  }
  const baked = await fromCache(ctx, chain);
  if (baked && isIt(baked)) return baked;
  const [other] = baked ? [...alike, baked] : alike;
  if (other) {
    ctx.log.info(`publishing onto ${other.origin}: the same disk, and other layers than it was run with`);
    return other;
  }
  tried.push(`  ${ctx.cacheDir}: no image with that disk was baked here`);
  if (save) {
    const saved = await fromEngine(ctx, save, folder);
    const problem = chainProblem(saved.config, chain);
    if (problem === undefined) return saved;
    tried.push(`  the image of the container: ${problem}`);
  }
  throw new VirtainersError(
    'BASE_MISMATCH',
    `looking for the image with the disk ${chain.map(({ sha256 }) => sha256).join(' + ')}; tried\n${tried.join('\n')}`,
    { hint: 'say where it is: --base REFERENCE, or an archive or OCI layout' },
  );
}

/** Engines keep layers unpacked, so that these come out with other digests than they went in with, but with the same content. */
async function fromEngine(
  ctx: BuildContext,
  save: (file: string) => Promise<void>,
  folder: string,
): Promise<BaseImage> {
  ctx.onEvent({ type: 'start', step: 'base', title: "the image below, out of the engine's store" });
  const [file, layout] = [join(folder, 'saved.tar'), join(folder, 'saved')];
  await save(file);
  const args = ['copy', `docker-archive:${file}`, `oci:${layout}:image`];
  await skopeo(ctx, args);
  await rm(file);
  const image = await openOrigin(ctx, layout);
  ctx.onEvent({ type: 'end', step: 'base', note: image.digest, cached: false });
  return image;
}

async function fromCache(ctx: BuildContext, chain: readonly ChainLink[]): Promise<BaseImage | undefined> {
  const [base, ...overlays] = chain;
  const image = base && overlays.length === 0 ? await recallImage(ctx, base.sha256) : undefined;
  if (!image) return undefined;
  const config = parse(configSchema, image.config, 'a baked image, config');
  return {
    ...{
      origin: 'what was baked here',
      digest: image.digest,
      rawManifest: image.manifest,
      rawConfig: image.config,
      config,
    },
    ...{ layers: image.layers, registry: undefined },
    fetch: async () => image.layers,
  };
}

/** Why an image is not the one, by its labels, which its maker vouches for and a start checks; undefined: it is. */
function chainProblem(config: ImageConfig, [base, ...overlays]: readonly ChainLink[]): string | undefined {
  const labels = config.config?.Labels ?? {};
  const disk = labels['io.virtainers.disk.sha256'] ?? 'none';
  if (disk !== base?.sha256) return `its disk is ${disk}`;
  const published = labels[OVERLAYS_LABEL] ?? '';
  return published === overlays.map(({ sha256 }) => sha256).join(',')
    ? undefined
    : `its overlays are ${published || 'none'}`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof VirtainersError)) throw error;
  return error.message.trim().split('\n').at(-1)?.trim().slice(0, 300) ?? error.code;
}
