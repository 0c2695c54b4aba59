import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestBytes, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { blobPath, type NamedImage } from '../oci/archive.ts';
import {
  type Artifact,
  EMPTY,
  plainReferrersIndex,
  referrersIndex,
  referrersTag,
  storedArtifact,
  withReferrers,
} from '../oci/artifact.ts';
import { encode } from '../oci/image.ts';
import { MEDIA_TYPES } from '../oci/media-types.ts';
import { type RegistryOptions, withDigest, withTag } from '../oci/registry-image.ts';
import { readReferrers } from '../oci/registry-referrers.ts';
import type { Descriptor } from '../oci/schema.ts';
import { skopeo } from '../oci/skopeo.ts';
import { withCacheFolder } from '../work-folder.ts';

/**
 * Puts documents beside an image that the registry has: as manifests whose subject is the image, which a registry of OCI
 * 1.1 lists by itself, and in the index that every other client looks for. False: all was there. COMMAND_FAILED.
 */
export async function attachToImage(
  ctx: BuildContext,
  reference: string,
  { image }: NamedImage,
  artifacts: readonly Artifact[],
  options: RegistryOptions = {},
): Promise<boolean> {
  const stored = artifacts.map((artifact) => storedArtifact(artifact, image));
  const referrers = withReferrers(await readReferrers(ctx, reference, image.digest, options), stored);
  if (referrers === undefined) return false;
  ctx.onEvent({ type: 'start', step: 'attach', title: `attaching to ${reference}` });
  await withCacheFolder(ctx, 'tmp', 'attach', async (folder) => {
    await mkdir(join(folder, 'blobs', 'sha256'), { recursive: true });
    for (const { bytes, manifest, digest } of stored) {
      await writeLayout(folder, manifest, MEDIA_TYPES.manifest, [EMPTY, bytes]);
      await copy(ctx, folder, withDigest(reference, digest), options);
    }
    await copyIndex(ctx, folder, withTag(reference, referrersTag(image.digest)), referrers, options);
  });
  ctx.onEvent({ type: 'end', step: 'attach', note: `${stored.length} documents`, cached: false });
  return true;
}

/** A skopeo of before image-spec 1.1 (1.13) would drop a field that it does not know, and refuses to. */
async function copyIndex(
  ctx: BuildContext,
  folder: string,
  to: string,
  referrers: readonly Descriptor[],
  options: RegistryOptions,
): Promise<void> {
  const send = async (index: Buffer) => {
    await writeLayout(folder, index, MEDIA_TYPES.index, []);
    await copy(ctx, folder, to, options, ['--multi-arch', 'index-only']);
  };
  try {
    await send(referrersIndex(referrers));
  } catch (error) {
    if (!(error instanceof VirtainersError) || !error.message.includes('cannot modify')) throw error;
    await send(plainReferrersIndex(referrers));
  }
}

async function copy(
  ctx: BuildContext,
  folder: string,
  to: string,
  { insecure }: RegistryOptions,
  more: readonly string[] = [],
): Promise<void> {
  const tls = insecure ? ['--dest-tls-verify=false'] : [];
  const args = ['copy', '--preserve-digests', ...more, ...tls, `oci:${folder}:this`, `docker://${to}`];
  await skopeo(ctx, args);
}

/** A layout of one manifest or index, named `this`. */
async function writeLayout(folder: string, top: Buffer, mediaType: string, blobs: readonly Buffer[]): Promise<void> {
  for (const blob of [top, ...blobs]) await writeFile(join(folder, blobPath(digestBytes(blob))), blob);
  const annotations = { 'org.opencontainers.image.ref.name': 'this' };
  const descriptor = { mediaType, digest: digestBytes(top), size: top.length, annotations };
  await writeFile(join(folder, 'oci-layout'), encode({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(folder, 'index.json'), encode({ schemaVersion: 2, manifests: [descriptor] }));
}
