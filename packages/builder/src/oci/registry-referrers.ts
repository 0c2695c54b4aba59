import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestBytes, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { withCacheFolder } from '../work-folder.ts';
import { blobPath } from './archive.ts';
import { artifactTypeOf, referrersTag } from './artifact.ts';
import { parse } from './read-layout.ts';
import { type RegistryOptions, withDigest, withTag } from './registry-image.ts';
import { type Descriptor, indexSchema, manifestSchema } from './schema.ts';
import { skopeo } from './skopeo.ts';

/** What refers to an image in a registry, by the index that clients keep there; nothing where there is none. */
export async function readReferrers(
  ctx: Pick<BuildContext, 'exec' | 'env' | 'signal'>,
  reference: string,
  digest: Digest,
  { insecure }: RegistryOptions = {},
): Promise<Descriptor[]> {
  const at = withTag(reference, referrersTag(digest));
  const tls = insecure ? ['--tls-verify=false'] : [];
  const { exitCode, stdout } = await ctx.exec('skopeo', ['inspect', '--raw', ...tls, `docker://${at}`], {
    env: ctx.env,
    signal: ctx.signal,
    allowFailure: true,
  });
  return exitCode === 0 ? parse(indexSchema, Buffer.from(stdout), `${at}, index`).manifests : [];
}

/** The newest document of that type beside an image, checked against its digest; undefined: there is none. */
export async function readArtifact(
  ctx: Pick<BuildContext, 'exec' | 'env' | 'signal' | 'cacheDir'>,
  reference: string,
  digest: Digest,
  type: string,
  options: RegistryOptions = {},
): Promise<Buffer | undefined> {
  const known = await readReferrers(ctx, reference, digest, options);
  const chosen = known.filter((one) => artifactTypeOf(one) === type).at(-1);
  if (!chosen) return undefined;
  const at = withDigest(reference, chosen.digest);
  return withCacheFolder(ctx, 'tmp', 'artifact', async (folder) => {
    const tls = options.insecure ? ['--src-tls-verify=false'] : [];
    const args = ['copy', '--preserve-digests', ...tls, `docker://${at}`, `oci:${folder}:artifact`];
    await skopeo(ctx, args);
    const manifest = parse(manifestSchema, await readBlob(folder, chosen.digest, at), `${at}, manifest`);
    const [layer] = manifest.layers;
    return layer && readBlob(folder, layer.digest, at);
  });
}

async function readBlob(folder: string, digest: Digest, at: string): Promise<Buffer> {
  const bytes = await readFile(join(folder, blobPath(digest)));
  if (digestBytes(bytes) === digest) return bytes;
  throw new VirtainersError('DIGEST_MISMATCH', `reading ${at}: expected ${digest}, got ${digestBytes(bytes)}`);
}
