import type { Digest } from '@virtainers/core';
import { archiveImages } from '../bake/deliver.ts';
import { digestLayers, recallDigests, rememberDigests } from '../bake/digests.ts';
import type { CommonOptions } from '../bake/options.ts';
import { shareParts } from '../bake/parts.ts';
import { findFeatures } from '../bake-features.ts';
import { usingCache } from '../cache-lock.ts';
import type { BuildContext } from '../context.ts';
import type { NamedImage } from '../oci/archive.ts';
import { planAppLayer } from '../oci/guest-layers.ts';
import { assembleImage, type Image, imageSize, timestamp } from '../oci/image.ts';
import type { Layer } from '../oci/layer.ts';
import { ROOT_LABEL } from '../oci/published-root.ts';
import { parseReference } from '../oci/reference.ts';
import { checkEpoch } from '../oci/tar.ts';
import { loadIntoEngine } from '../sink/engine.ts';
import { pushToRegistry } from '../sink/registry.ts';
import type { SinkResult } from '../sink/sink.ts';
import { sweepWorkFolders } from '../work-folder.ts';
import { findOrigin } from './find-origin.ts';
import { type OldImage, readOldImage } from './old-image.ts';

export interface UpgradeOptions extends Omit<CommonOptions, 'definitions' | 'concurrency' | 'sign'> {
  /** An engine's or a registry's reference, an archive, a layout; or skopeo's name for one. */
  readonly source: string;
  /** References of the new image; otherwise the old one's. */
  readonly tags?: readonly string[] | undefined;
  /** The registry's reference that it is sent to. */
  readonly push?: string | undefined;
}

/** A layer before and after; `from` is undefined for one that is new, `to` for one that is gone. Both are diffIDs. */
export interface LayerChange {
  readonly layer: string;
  readonly from: Digest | undefined;
  readonly to: Digest | undefined;
}

export interface UpgradeResult {
  readonly reference: string;
  /** Of the old image's manifest; where Docker has none, its image id. */
  readonly from: Digest;
  /** Of the new manifest. */
  readonly digest: Digest;
  /** False: the image that was given is as new as can be. */
  readonly changed: boolean;
  readonly changes: readonly LayerChange[];
  /** What stays, byte for byte. */
  readonly disk: { readonly digest: Digest; readonly diffID: Digest; readonly size: number };
  /** Manifest, config and layers, in bytes. */
  readonly size: number;
  readonly sinks: readonly SinkResult[];
}

/**
 * Puts a new runtime root, features and app around the disk of an image that virtainers made; its disk layer, labels, ports
 * and references stay. Without a sink it only says what would change. SOURCE_UNAVAILABLE, ARCHIVE_INVALID, DIGEST_MISMATCH.
 */
export function upgrade(ctx: BuildContext, options: UpgradeOptions): Promise<UpgradeResult> {
  return usingCache(ctx, () => upgradeImage(ctx, options));
}

async function upgradeImage(ctx: BuildContext, options: UpgradeOptions): Promise<UpgradeResult> {
  checkEpoch(ctx.sourceDateEpoch);
  await sweepWorkFolders(ctx);
  const old = await readOldImage(ctx, await findOrigin(ctx, options), options);
  const layers = await newLayers(ctx, old, options);
  const references = (options.tags ?? [old.reference]).map(parseReference);
  const image = newImage(ctx, old, layers);
  const named: NamedImage = { image, references, arch: old.platform, mtime: ctx.sourceDateEpoch };
  const archived = await archiveImages(ctx, options.output, [{ plans: layers, name: () => named }]);
  const sinks = [...archived.sinks, ...(await send(ctx, named, options))];
  const { digest, diffID, size } = old.disk;
  return {
    reference: references[0] ?? '',
    from: old.digest,
    digest: image.digest,
    changed: image.configDigest !== old.configDigest,
    changes: compare(old, layers),
    disk: { digest, diffID, size },
    size: imageSize(image),
    sinks,
  };
}

/** To the engine and the registry. */
async function send(ctx: BuildContext, named: NamedImage, { load, push, insecure }: UpgradeOptions) {
  const sinks: SinkResult[] = [];
  if (load !== undefined) sinks.push(await loadIntoEngine(ctx, load, [named]));
  if (push !== undefined) sinks.push(await pushToRegistry(ctx, push, [named], { insecure }));
  return sinks;
}

async function newLayers(ctx: BuildContext, old: OldImage, options: UpgradeOptions): Promise<Layer[]> {
  const features = await findFeatures(ctx, old.features, old.platform);
  const parts = shareParts(ctx, { ...options, definitions: [] });
  const lower = await parts.lowerLayers({ platform: old.platform, features });
  const app = await planAppLayer(ctx.assetsDir, ctx.sourceDateEpoch);
  const plans = await recallDigests(ctx, [...lower, old.disk, app]);
  const layers = await digestLayers(ctx, plans);
  await rememberDigests(ctx, plans, layers);
  return layers;
}

/** The old image again, with its date, where everything is as it was. */
function newImage({ sourceDateEpoch }: BuildContext, old: OldImage, layers: readonly Layer[]): Image {
  const make = (created: number) =>
    assembleImage(layers, {
      ...{ arch: old.platform, ports: old.ports, created },
      labels: {
        ...old.labels,
        [ROOT_LABEL]: layers[0]?.diffID ?? '',
        'org.opencontainers.image.created': timestamp(created),
      },
    });
  const same = old.created === undefined ? undefined : make(old.created);
  return same?.configDigest === old.configDigest ? same : make(sourceDateEpoch);
}

function compare(old: OldImage, layers: readonly Layer[]): LayerChange[] {
  const now = new Map<string, Digest>(layers.map(({ name, diffID }) => [name, diffID]));
  const names = [...new Set([...Object.keys(old.layers), ...now.keys()])];
  const both = names.map((layer) => ({ layer, from: old.layers[layer], to: now.get(layer) }));
  return both.filter(({ from, to }) => from !== to);
}
