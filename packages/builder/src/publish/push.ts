import { join } from 'node:path';
import { digestBytes } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { NamedImage } from '../oci/archive.ts';
import { imageSet } from '../oci/image-set.ts';
import { writeLayoutFolder } from '../oci/layout-folder.ts';
import { withDigest } from '../oci/registry-image.ts';
import { skopeo } from '../oci/skopeo.ts';
import { pushToRegistry } from '../sink/registry.ts';
import type { SinkResult } from '../sink/sink.ts';
import { withCacheFolder } from '../work-folder.ts';
import type { BaseImage } from './base-image.ts';
import { mountLayers } from './mount.ts';

interface PushOptions {
  readonly insecure?: boolean | undefined;
}

/**
 * Pushes an image of which only the new layers are at hand. The others go from where the base image lies: none where the
 * repository has it, none of their bytes where the registry has them, else through this machine.
 */
export async function pushOnto(
  ctx: BuildContext,
  base: BaseImage,
  target: string,
  named: NamedImage,
  options: PushOptions,
): Promise<SinkResult> {
  const missing = named.image.layers.filter((layer) => layer.segments.length === 0);
  if (missing.length > 0 && !(await repositoryHolds(ctx, withDigest(target, base.digest), options))) {
    await bringBase(ctx, base, target, options);
  }
  const layers = named.image.layers.filter((layer) => layer.segments.length > 0);
  return pushToRegistry(ctx, target, [{ ...named, image: { ...named.image, layers } }], options);
}

async function repositoryHolds(ctx: BuildContext, image: string, { insecure }: PushOptions): Promise<boolean> {
  const tls = insecure ? ['--tls-verify=false'] : [];
  const args = ['inspect', '--raw', ...tls, `docker://${image}`];
  return (await ctx.exec('skopeo', args, { env: ctx.env, allowFailure: true, signal: ctx.signal })).exitCode === 0;
}

/** Under its digest alone: the repository gets no tag that nobody asked for. */
async function bringBase(ctx: BuildContext, base: BaseImage, target: string, options: PushOptions): Promise<void> {
  ctx.onEvent({ type: 'start', step: 'base', title: `the image below, from ${base.origin}` });
  if (base.registry !== undefined) await mountLayers(ctx, base, base.registry, target, options);
  await withCacheFolder(ctx, 'tmp', 'base', async (folder) => {
    const source = base.registry === undefined ? await layoutOf(ctx, base, folder) : `docker://${base.registry}`;
    const tls = [
      ...(base.insecure ? ['--src-tls-verify=false'] : []),
      ...(options.insecure ? ['--dest-tls-verify=false'] : []),
    ];
    const to = `docker://${withDigest(target, base.digest)}`;
    await skopeo(ctx, ['copy', '--preserve-digests', ...tls, source, to]);
  });
  ctx.onEvent({ type: 'end', step: 'base', note: base.digest, cached: false });
}

async function layoutOf(ctx: BuildContext, base: BaseImage, folder: string): Promise<string> {
  const { digest, rawManifest: manifest, rawConfig: config } = base;
  if (!manifest) throw new Error(`${base.origin} has no manifest`);
  const image = { layers: await base.fetch(folder), digest, manifest, config, configDigest: digestBytes(config) };
  const named = { image, references: ['image'], arch: base.config.architecture, mtime: 0 };
  await writeLayoutFolder(join(folder, 'image'), imageSet([named]), { signal: ctx.signal });
  return `oci:${join(folder, 'image')}:image`;
}
