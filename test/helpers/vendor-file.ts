import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** A published file: bytes, or a file that is too large for them. */
export type Content = Buffer | { readonly path: string };

/** A right answer, but for what is said here. */
export interface Sending {
  /** Other bytes than the file's. */
  readonly content?: Content | undefined;
  /** Undefined: made of the content; null: none is said. */
  readonly etag?: string | null | undefined;
  /** False: every answer is the whole file. */
  readonly ranges?: boolean | undefined;
  /** False: no Content-Length (chunks). */
  readonly sized?: boolean | undefined;
  /** Added to every size that is said. */
  readonly lie?: number | undefined;
  readonly type?: string | undefined;
  /** The first byte of the file that is not sent. */
  readonly until?: number | undefined;
  /** At `until`: the connection ends, or nothing comes any more. */
  readonly ending?: 'cut' | 'stall' | undefined;
  /** Before each piece, told where in the file it begins: the next one waits for it. */
  readonly onPiece?: ((at: number) => Promise<void> | void) | undefined;
}

const LAST_MODIFIED = 'Sat, 09 Aug 2025 00:00:00 GMT';
const PIECE = 64 * 1024;

/** Answers as RFC 9110 wants it: a range of the file (14.2), all of it, or that it has not changed. */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  content: Content,
  how: Sending,
): Promise<void> {
  const size = await sizeOf(content);
  const etag = how.etag === undefined ? await etagOf(content) : how.etag;
  const validators = { ...(etag === null ? {} : { etag }), 'last-modified': LAST_MODIFIED };
  const { 'if-range': ifRange, 'if-none-match': ifNoneMatch } = request.headers;
  if (etag !== null && ifNoneMatch === etag) return void response.writeHead(304, validators).end();
  const current = ifRange === undefined || ifRange === etag || ifRange === LAST_MODIFIED;
  const range = how.ranges === false || !current ? undefined : parseRange(request.headers.range, size);
  const said = size + (how.lie ?? 0);
  if (range && range.start >= size) {
    return void response.writeHead(416, { 'content-range': `bytes */${said}` }).end();
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  const saidEnd = end === size - 1 ? said - 1 : end;
  response.writeHead(range ? 206 : 200, {
    ...validators,
    ...(how.ranges === false ? {} : { 'accept-ranges': 'bytes' }),
    ...(how.sized === false ? {} : { 'content-length': Math.max(0, saidEnd - start + 1) }),
    ...(range ? { 'content-range': `bytes ${start}-${saidEnd}/${said}` } : {}),
    'content-type': how.type ?? 'application/octet-stream',
  });
  if (request.method === 'HEAD') return void response.end();
  await sendBody(response, content, start, end, how);
}

async function sendBody(response: ServerResponse, content: Content, start: number, end: number, how: Sending) {
  const { until = Number.POSITIVE_INFINITY } = how;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  let at = start;
  for await (const piece of read(content, start, Math.min(end, until - 1))) {
    await how.onPiece?.(at);
    if (response.destroyed) return;
    at += piece.length;
    if (!response.write(piece)) await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
  }
  if (until <= end && how.ending === 'stall') return;
  // A server that said more than it has ends the connection as well.
  if (until <= end || (how.lie ?? 0) > 0) response.write('', () => response.socket?.destroySoon());
  else response.end();
}

async function* read(content: Content, start: number, end: number): AsyncGenerator<Buffer> {
  if (end < start) return;
  if (!Buffer.isBuffer(content)) {
    yield* createReadStream(content.path, { start, end, highWaterMark: 1 << 20 });
    return;
  }
  for (let at = start; at <= end; at += PIECE) yield content.subarray(at, Math.min(at + PIECE, end + 1));
}

function parseRange(text: string | undefined, size: number): { start: number; end: number } | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(text ?? '') ?? [];
  if (first === undefined) return undefined;
  return { start: Number(first), end: last ? Math.min(Number(last), size - 1) : size - 1 };
}

async function sizeOf(content: Content): Promise<number> {
  return Buffer.isBuffer(content) ? content.length : (await stat(content.path)).size;
}

async function etagOf(content: Content): Promise<string> {
  if (Buffer.isBuffer(content)) return `"${createHash('sha256').update(content).digest('hex').slice(0, 16)}"`;
  const { size, mtimeMs } = await stat(content.path);
  return `"${size.toString(16)}-${mtimeMs.toString(16)}"`;
}

/** What stands in a folder that has files below it, as Apache lists it (mod_autoindex); undefined for any other URL. */
export function folderListing(url: string, files: Iterable<string>): Content | undefined {
  if (!url.endsWith('/')) return undefined;
  const names = [...files]
    .filter((file) => file.startsWith(url))
    .map((file) => /^[^/]+\/?/.exec(file.slice(url.length)));
  const links = [...new Set(names.flatMap((match) => (match ? [match[0]] : [])))].sort();
  if (links.length === 0) return undefined;
  const lines = links.map((name) => `<a href="${name}">${name}</a>  2025-08-09 00:00  -`);
  const title = `Index of ${new URL(url).pathname}`;
  return Buffer.from(
    `<!DOCTYPE HTML>\n<html><head><title>${title}</title></head><body><h1>${title}</h1>\n<pre>\n<a href="../">../</a>\n${lines.join('\n')}\n</pre></body></html>\n`,
  );
}
