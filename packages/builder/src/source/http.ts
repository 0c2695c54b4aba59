import { readFileSync } from 'node:fs';
import { VirtainersError } from '@virtainers/core';
import type { Dispatcher, Headers, Response } from 'undici';
import type { Patience } from '../context.ts';
import { requireNetwork } from '../offline.ts';

/** A step of a fetch that failed in a way that a second try may cure. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
  /** As the server asks (RFC 9110, 10.2.3). */
  readonly retryAfterMs: number | undefined;
  /** The file is not the one that it was: what is here of it is of no use. */
  readonly stale: boolean;
  /** The step came nearer to its end, and so the tries are counted anew. */
  readonly progressed: boolean;

  constructor(message: string, options: TransientOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
    this.stale = options.stale ?? false;
    this.progressed = options.progressed ?? false;
  }
}

interface TransientOptions {
  readonly cause?: unknown;
  readonly retryAfterMs?: number | undefined;
  readonly stale?: boolean;
  readonly progressed?: boolean;
}

/** The way out: through a proxy or not, trusting whom. */
export type Door = Dispatcher;

/** The door, and how long what lies behind it is waited for. */
export interface Way extends Patience {
  readonly door?: (() => Promise<Door>) | undefined;
  readonly offline?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  /** Where redirects led. */
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array>;
}

const SILENCE_MS = 60_000;
const OFFLINE_HINT = 'bake it once without --offline, or fetch it elsewhere and bake that file by its path';
const RETRIED = new Set([408, 425, 429, 500, 502, 503, 504]);
/** A server that asks for more patience has none for us today. */
const MAX_RETRY_AFTER_MS = 120_000;

/** Certificates that do not hold, as Node.js and OpenSSL call it. */
const CERTIFICATE = /^(CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|HOSTNAME_MISMATCH)/;

/**
 * What the environment says of proxies (http_proxy, https_proxy, no_proxy, in either case) and, as OpenSSL reads it, of
 * certificate authorities in place of the well-known ones (SSL_CERT_FILE). CONFIG_INVALID.
 */
export async function makeDoor(env: Readonly<Record<string, string | undefined>>): Promise<Door> {
  const read = (name: string) => env[name] ?? env[name.toUpperCase()] ?? '';
  const connect = env['SSL_CERT_FILE'] ? { ca: readCertificates(env['SSL_CERT_FILE']) } : {};
  const { EnvHttpProxyAgent } = await undici();
  try {
    return new EnvHttpProxyAgent({
      httpProxy: read('http_proxy'),
      httpsProxy: read('https_proxy'),
      noProxy: read('no_proxy'),
      connect,
      requestTls: connect,
    });
  } catch (cause) {
    throw new VirtainersError('CONFIG_INVALID', `http_proxy or https_proxy: ${(cause as Error).message}`, { cause });
  }
}

/** Loaded by the first fetch: most bakes do without any, and it takes a fifth of their time. */
const undici = () => import('undici');

function readCertificates(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new VirtainersError('CONFIG_INVALID', `SSL_CERT_FILE=${path}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * GET, with what stands in the URL as credentials sent as such. Rejects with TransientError where another try may help,
 * SOURCE_UNAVAILABLE where it will not. The body's iterator rejects with TransientError when the server falls silent.
 */
export async function get(
  url: URL,
  headers: Record<string, string>,
  label: string,
  { signal, door, offline, silenceMs = SILENCE_MS }: Way = {},
): Promise<Answer> {
  requireNetwork({ offline }, `fetching ${label}`, OFFLINE_HINT);
  const [{ fetch }, dispatcher] = await Promise.all([undici(), door?.()]);
  const silence = makeSilence(silenceMs);
  const stop = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  let response: Response;
  try {
    const options = { headers: { ...credentials(url), ...headers }, signal: stop };
    response = await fetch(withoutCredentials(url), dispatcher ? { ...options, dispatcher } : options);
  } catch (error) {
    silence.end();
    signal?.throwIfAborted();
    throw refusal(error, label) ?? new TransientError(reasonOf(error), { cause: error });
  }
  if (RETRIED.has(response.status)) {
    silence.end();
    await response.body?.cancel();
    throw busy(response, label);
  }
  if (response.status >= 400 && response.status !== 416) {
    silence.end();
    await response.body?.cancel();
    throw unavailable(label, `the server answered ${response.status} ${response.statusText}`.trim());
  }
  const body = readBody(response, silence, signal);
  return { url: new URL(response.url), status: response.status, headers: response.headers, body };
}

/** SOURCE_UNAVAILABLE where a redirect gave up TLS, and no sum tells what came. */
export function refuseDowngrade(asked: URL, answer: Answer, label: string): void {
  if (asked.protocol !== 'https:' || answer.url.protocol === 'https:') return;
  throw unavailable(label, `it redirects to ${answer.url.origin}, without encryption`);
}

/** What no second try will mend. */
function refusal(error: unknown, label: string): VirtainersError | undefined {
  const { code, message } = (error instanceof Error && (error.cause as { code?: unknown; message?: unknown })) || {};
  if (message === 'redirect count exceeded') return unavailable(label, 'it redirects in a circle, or too often');
  if (typeof code !== 'string' || !CERTIFICATE.test(code)) return undefined;
  return unavailable(
    label,
    `its certificate does not hold: ${String(message)} (${code})`,
    'look at the clock of this machine; SSL_CERT_FILE names the authorities to trust where a proxy opens TLS',
    error,
  );
}

function busy(response: Response, label: string): Error {
  const said = `the server answered ${response.status}`;
  const retryAfterMs = retryAfter(response.headers.get('retry-after'));
  if (retryAfterMs === undefined || retryAfterMs <= MAX_RETRY_AFTER_MS)
    return new TransientError(said, { retryAfterMs });
  return unavailable(
    label,
    `${said} and wants to be asked again in ${Math.ceil(retryAfterMs / 1000)} s`,
    'try again then',
  );
}

/** Seconds, or a date. */
function retryAfter(text: string | null): number | undefined {
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

export function unavailable(label: string, reason: string, hint?: string, cause?: unknown): VirtainersError {
  return new VirtainersError('SOURCE_UNAVAILABLE', `fetching ${label}: ${reason}`, { hint, cause });
}

async function* readBody(response: Response, silence: Silence, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) {
      silence.heard();
      yield chunk as Uint8Array;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new TransientError(reasonOf(error), { cause: error });
  } finally {
    silence.end();
  }
}

interface Silence {
  readonly signal: AbortSignal;
  heard(): void;
  end(): void;
}

function makeSilence(ms: number): Silence {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error(`the server said nothing for ${ms / 1000} s`)), ms);
  timer.unref();
  return { signal: controller.signal, heard: () => timer.refresh(), end: () => clearTimeout(timer) };
}

/** fetch() says "fetch failed"; the cause says why. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || String(error.cause) : error.message;
}

function credentials(url: URL): Record<string, string> {
  if (!url.username) return {};
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

function withoutCredentials(url: URL): URL {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  return plain;
}
