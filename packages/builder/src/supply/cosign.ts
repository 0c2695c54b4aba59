import { VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { withDigest } from '../oci/registry-image.ts';

export interface SignOptions {
  /** A file or a `kms://` URI; without one cosign asks its own identity provider ("keyless"). */
  readonly key?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** The words for cosign: by digest, since a tag may have moved meanwhile. */
export function signArguments(reference: string, digest: string, { key, insecure }: SignOptions): string[] {
  const how = key === undefined ? [] : ['--key', key];
  const registry = insecure ? ['--allow-insecure-registry', '--allow-http-registry'] : [];
  return ['sign', '--yes', ...how, ...registry, withDigest(reference, digest)];
}

/** TOOL_MISSING before anything is made, rather than after the push. */
export async function requireCosign(ctx: Pick<BuildContext, 'exec' | 'env' | 'signal'>): Promise<void> {
  try {
    await ctx.exec('cosign', ['version'], { env: ctx.env, signal: ctx.signal, allowFailure: true });
  } catch (cause) {
    if (!(cause instanceof VirtainersError) || cause.code !== 'TOOL_MISSING') throw cause;
    throw new VirtainersError('TOOL_MISSING', `--sign: ${cause.message}`, {
      hint: 'see https://docs.sigstore.dev/cosign/system_config/installation/, or bake without --sign',
      cause,
    });
  }
}

/** Signs what the registry has under that digest; cosign finds credentials and COSIGN_PASSWORD where it always does. */
export async function sign(ctx: BuildContext, reference: string, digest: string, options: SignOptions): Promise<void> {
  ctx.onEvent({ type: 'start', step: 'sign', title: `signing ${reference}` });
  await ctx.exec('cosign', signArguments(reference, digest, options), { env: ctx.env, signal: ctx.signal });
  ctx.onEvent({ type: 'end', step: 'sign', note: digest, cached: false });
}
