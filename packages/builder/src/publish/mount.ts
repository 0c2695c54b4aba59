import { VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { canonicalReference } from '../oci/reference.ts';
import type { BaseImage } from './base-image.ts';
import { basicCredentials } from './registry-auth.ts';

interface Place {
  /** `registry.example:5000`. */
  readonly host: string;
  /** `team/base`. */
  readonly name: string;
}

const PATIENCE_MS = 30_000;

/**
 * Has a registry take an image's layers from one of its repositories into another, so that no byte of them travels (OCI
 * distribution-spec, "Mounting a blob from another repository"). skopeo does it only for blobs that it has met before on this
 * machine. A registry that will not is no failure: whoever calls copies what is missing.
 */
export async function mountLayers(
  ctx: BuildContext,
  base: BaseImage,
  source: string,
  target: string,
  { insecure }: { readonly insecure?: boolean | undefined },
): Promise<void> {
  const [from, to] = [placeOf(source), placeOf(target)];
  if (from.host !== to.host || from.name === to.name) return;
  const root = `${insecure ? 'http' : 'https'}://${to.host}`;
  try {
    let authorization: string | undefined;
    for (const { digest } of base.layers) {
      const query = new URLSearchParams({ mount: digest, from: from.name });
      const url = `${root}/v2/${to.name}/blobs/uploads/?${query}`;
      let response = await post(ctx, url, authorization);
      if (response.status === 401 && authorization === undefined) {
        authorization = await authorize(ctx, response.headers.get('www-authenticate') ?? '', from, to);
        response = await post(ctx, url, authorization);
      }
      if (response.status !== 201) return await giveBack(ctx, url, response, authorization);
    }
  } catch (error) {
    ctx.signal?.throwIfAborted();
    ctx.log.debug(`mounting layers at ${to.host}: ${String(error)}`);
  }
}

/** 202: it would rather be sent the bytes, and has opened an upload for them, which nobody will use. */
async function giveBack(ctx: BuildContext, url: string, response: Response, authorization: string | undefined) {
  ctx.log.debug(`mounting layers: ${response.status} for ${url}`);
  const location = response.status === 202 ? response.headers.get('location') : null;
  const upload = location === null ? undefined : new URL(location, url);
  // The login is this registry's: whoever else is named gets nothing, and the upload expires.
  if (upload && upload.origin === new URL(url).origin) await send(ctx, 'DELETE', upload.href, authorization);
}

function post(ctx: BuildContext, url: string, authorization: string | undefined): Promise<Response> {
  return send(ctx, 'POST', url, authorization);
}

async function send(ctx: BuildContext, method: string, url: string, authorization?: string): Promise<Response> {
  const timeout = AbortSignal.timeout(PATIENCE_MS);
  const signal = ctx.signal ? AbortSignal.any([ctx.signal, timeout]) : timeout;
  const headers = authorization === undefined ? {} : { authorization };
  const response = await fetch(url, { method, headers, signal, redirect: 'error' });
  await response.body?.cancel();
  return response;
}

/** distribution, "Token Authentication Specification"; or plain HTTP Basic. Throws where neither will do. */
async function authorize(ctx: BuildContext, challenge: string, from: Place, to: Place): Promise<string> {
  const basic = await basicCredentials(ctx.env, to.host);
  if (/^basic /i.test(challenge) && basic !== undefined) return `Basic ${basic}`;
  const value = (key: string) => new RegExp(`[ ,]${key}="([^"]*)"`, 'i').exec(challenge)?.[1];
  const realm = /^bearer /i.test(challenge) ? value('realm') : undefined;
  if (realm === undefined) throw new VirtainersError('SOURCE_UNAVAILABLE', `${to.host} asks for ${challenge}`);
  const url = new URL(realm);
  url.searchParams.set('service', value('service') ?? '');
  for (const scope of [`repository:${to.name}:pull,push`, `repository:${from.name}:pull`]) {
    url.searchParams.append('scope', scope);
  }
  const headers = basic === undefined ? {} : { authorization: `Basic ${basic}` };
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE_MS) });
  const { token, access_token } = (await response.json()) as { token?: string; access_token?: string };
  return `Bearer ${token ?? access_token ?? ''}`;
}

function placeOf(reference: string): Place {
  const plain = canonicalReference(reference.replace(/@.*$/, '').replace(/:[^/:]*$/, ''));
  const slash = plain.indexOf('/');
  const host = plain.slice(0, slash);
  return { host: host === 'docker.io' ? 'registry-1.docker.io' : host, name: plain.slice(slash + 1) };
}
