import { VirtainersError } from '@virtainers/core';

/** A step of a fetch that failed in a way that a second try may cure. */
export class TransientError extends Error {
  override readonly name = 'TransientError';
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: AsyncIterable<Uint8Array>;
}

/** How long a server may say nothing. */
const SILENCE_MS = 60_000;
const RETRIED = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * GET, with what stands in the URL as credentials sent as such. Rejects with TransientError where another try may help,
 * SOURCE_UNAVAILABLE where it will not. The body's iterator rejects with TransientError when the server falls silent.
 */
export async function get(
  url: URL,
  headers: Record<string, string>,
  label: string,
  signal?: AbortSignal,
): Promise<Answer> {
  const silence = makeSilence();
  const stop = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  let response: Response;
  try {
    response = await fetch(withoutCredentials(url), { headers: { ...credentials(url), ...headers }, signal: stop });
  } catch (error) {
    silence.end();
    signal?.throwIfAborted();
    throw new TransientError(reasonOf(error), { cause: error });
  }
  if (RETRIED.has(response.status)) {
    silence.end();
    await response.body?.cancel();
    throw new TransientError(`the server answered ${response.status}`);
  }
  if (response.status >= 400 && response.status !== 416) {
    silence.end();
    await response.body?.cancel();
    throw unavailable(label, `the server answered ${response.status} ${response.statusText}`.trim());
  }
  return { status: response.status, headers: response.headers, body: readBody(response, silence, signal) };
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

function makeSilence(): Silence {
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new Error(`the server said nothing for ${SILENCE_MS / 1000} s`)),
    SILENCE_MS,
  );
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
