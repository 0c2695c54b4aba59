import { digestBytes, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import type { BuildContext } from '../context.ts';
import { requireNetwork } from '../offline.ts';
import { DOCKER_MEDIA_TYPES, MEDIA_TYPES } from './media-types.ts';
import { isFor, parse } from './read-layout.ts';
import { configSchema, type ImageConfig, indexSchema, type Manifest, manifestSchema } from './schema.ts';
import { skopeo } from './skopeo.ts';

export interface RegistryOptions {
  /** Plain http, or a certificate that nobody vouches for. */
  readonly insecure?: boolean | undefined;
  readonly arch?: string | undefined;
}

export interface RegistryImage {
  readonly digest: `sha256:${string}`;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** Both as they are stored. */
  readonly rawManifest: Buffer;
  readonly rawConfig: Buffer;
}

/** The documents of an image in a registry, read by skopeo with the user's own credentials. COMMAND_FAILED, TOOL_MISSING. */
export async function readRegistryImage(
  ctx: Pick<BuildContext, 'exec' | 'env' | 'signal' | 'offline'>,
  reference: string,
  options: RegistryOptions = {},
): Promise<RegistryImage> {
  const raw = await readManifest(ctx, reference, options);
  if (isIndex(raw, reference)) {
    return readRegistryImage(ctx, chooseFrom(raw, reference, options.arch ?? 'amd64'), options);
  }
  const digest = digestBytes(raw);
  const manifest = parse(manifestSchema, Buffer.from(raw), `${reference}, manifest`);
  const config = await inspect(ctx, withDigest(reference, digest), ['--raw', '--config'], options);
  if (digestBytes(config) !== manifest.config.digest) {
    throw new VirtainersError(
      'DIGEST_MISMATCH',
      `reading ${reference}: expected config ${manifest.config.digest}, got ${digestBytes(config)}`,
    );
  }
  const [rawManifest, rawConfig] = [Buffer.from(raw), Buffer.from(config)];
  const parsed = parse(configSchema, rawConfig, `${reference}, image config`);
  return { digest, manifest, config: parsed, rawManifest, rawConfig };
}

/** Those of every platform of Linux. */
export async function readRegistryImages(
  ctx: Pick<BuildContext, 'exec' | 'env' | 'signal' | 'offline'>,
  reference: string,
  options: RegistryOptions = {},
): Promise<RegistryImage[]> {
  const raw = await readManifest(ctx, reference, options);
  if (!isIndex(raw, reference)) return [await readRegistryImage(ctx, reference, options)];
  const { manifests } = parse(indexSchema, Buffer.from(raw), `${reference}, index`);
  const ours = manifests.filter(({ platform }) => platform === undefined || platform.os === 'linux');
  return Promise.all(ours.map(({ digest }) => readRegistryImage(ctx, withDigest(reference, digest), options)));
}

/** A manifest or index; where the reference has a digest, the one with that digest: `skopeo inspect --raw` looks at none. */
async function readManifest(
  ctx: Pick<BuildContext, 'exec' | 'env' | 'signal' | 'offline'>,
  reference: string,
  options: RegistryOptions,
): Promise<string> {
  const raw = await inspect(ctx, reference, ['--raw'], options);
  const [, wanted] = reference.split('@');
  const digest = digestBytes(raw);
  if (wanted === undefined || wanted === digest) return raw;
  throw new VirtainersError('DIGEST_MISMATCH', `reading ${reference}: the registry gave ${digest}`, {
    hint: 'do not trust what this registry, or whatever stands before it, says; ask another one',
  });
}

const kindSchema = z.looseObject({ mediaType: z.string().optional(), manifests: z.unknown().optional() });

function isIndex(raw: string, reference: string): boolean {
  const { mediaType, manifests } = parse(kindSchema, Buffer.from(raw), `${reference}, manifest`);
  return mediaType === MEDIA_TYPES.index || mediaType === DOCKER_MEDIA_TYPES.index || manifests !== undefined;
}

function chooseFrom(raw: string, reference: string, arch: string): string {
  const index = parse(indexSchema, Buffer.from(raw), `${reference}, index`);
  const chosen = index.manifests.find(({ platform }) => isFor(platform, arch));
  if (!chosen) throw new VirtainersError('ARCHIVE_INVALID', `reading ${reference}: it holds no image for ${arch}`);
  return withDigest(reference, chosen.digest);
}

/** `host/name:tag` -> `host/name@digest`. */
export function withDigest(reference: string, digest: string): string {
  return `${nameOf(reference)}@${digest}`;
}

/** `host/name:tag` -> `host/name:other`. */
export function withTag(reference: string, tag: string): string {
  return `${nameOf(reference)}:${tag}`;
}

function nameOf(reference: string): string {
  const plain = reference.replace(/@.*$/, '');
  const colon = plain.lastIndexOf(':');
  return colon > plain.lastIndexOf('/') ? plain.slice(0, colon) : plain;
}

async function inspect(
  ctx: Pick<BuildContext, 'exec' | 'env' | 'signal' | 'offline'>,
  reference: string,
  what: readonly string[],
  { insecure }: RegistryOptions,
): Promise<string> {
  requireNetwork(ctx, `reading ${reference}`);
  const tls = insecure ? ['--tls-verify=false'] : [];
  const args = ['inspect', ...what, ...tls, `docker://${reference}`];
  return (await skopeo(ctx, args)).stdout;
}
