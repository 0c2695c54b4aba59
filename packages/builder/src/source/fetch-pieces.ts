import { formatSize, VirtainersError } from '@virtainers/core';
import { looksLikeHtml } from '../disk/inspect-format.ts';
import type { Assembly } from './assembly.ts';
import type { DownloadRequest, Version } from './download.ts';
import { type Answer, get, refuseDowngrade, TransientError, unavailable } from './http.ts';
import { addRange, firstGap, prefixOf, type Range, type Ranges } from './ranges.ts';
import { hasSums } from './sums.ts';

/** Large enough that a request more costs nothing; four connections are what a browser opens, too. */
const PIECES = { size: 16 << 20, atOnce: 4 };

/** An answer, and the bytes of the file that it is read for; no end: to the file's end. */
interface Stretch {
  readonly answer: Answer;
  readonly start: number;
  readonly end: number | undefined;
}

/**
 * One try to fetch what is missing. A file with a sum comes in pieces, several at once if it is large and the server gives
 * ranges; any other as one stream. Undefined: what the request knows is current. TransientError, SOURCE_UNAVAILABLE, DISK_REFUSED, DISK_FULL.
 */
export async function fetchMissing(assembly: Assembly, request: DownloadRequest): Promise<Version | undefined> {
  const before = assembly.size;
  try {
    if (hasSums(request.sums) && before === assembly.total) return {};
    const first = await ask(assembly, request, request.url, nextPiece(assembly, [], request));
    if (first === 'unchanged') return undefined;
    if (first !== 'complete') await fetchRest(assembly, request, first);
    return first === 'complete' ? {} : versionOf(first.answer);
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    const brought = assembly.size - before;
    // A server that gives a hundredth of the file at a time gives all of it in the end.
    const progressed = brought > 0 && brought >= Math.min((assembly.total ?? Number.POSITIVE_INFINITY) / 100, 1 << 20);
    if (error.stale) await assembly.restart();
    if (!progressed || error.stale) throw error;
    const { message, cause, retryAfterMs } = error;
    throw new TransientError(message, { cause, retryAfterMs, progressed });
  }
}

async function fetchRest(assembly: Assembly, request: DownloadRequest, first: Stretch): Promise<void> {
  const { total } = assembly;
  if (first.end === undefined || total === undefined) return read(assembly, request, first);
  const { size, atOnce } = request.pieces ?? PIECES;
  const stop = new AbortController();
  const signal = request.signal ? AbortSignal.any([request.signal, stop.signal]) : stop.signal;
  const taken: Range[] = [[first.start, first.end]];
  // Pieces come from where redirects led: another mirror may have another version.
  const work = async (own: DownloadRequest) => {
    for (;;) {
      const piece = nextPiece(assembly, taken, own);
      if (!piece) return;
      taken.push(piece);
      try {
        await readPiece(assembly, own, first.answer.url, piece);
      } finally {
        taken.splice(taken.indexOf(piece), 1);
      }
    }
  };
  const helpers = Math.min(atOnce - 1, Math.ceil((total - assembly.size) / size) - 1);
  const others = Array.from({ length: Math.max(0, helpers) }, () => work({ ...request, signal }).catch(withdraw));
  try {
    await read(assembly, request, first);
    taken.shift();
    await work(request);
    for (const failure of await Promise.all(others)) if (failure) throw failure;
    // What a helper gave back.
    await work(request);
  } finally {
    stop.abort();
    await Promise.all(others);
  }
}

/** A server may refuse a second connection: the first one goes on alone. Returns what is no fault of the connection. */
function withdraw(error: unknown): unknown {
  const remote = error instanceof VirtainersError && error.code === 'SOURCE_UNAVAILABLE';
  return remote || error instanceof TransientError ? undefined : error;
}

async function readPiece(assembly: Assembly, request: DownloadRequest, url: URL, piece: Range): Promise<void> {
  const stretch = await ask(assembly, request, url, piece);
  if (typeof stretch === 'string') throw new TransientError('the server says that the file ends earlier');
  if (stretch.end !== undefined) return read(assembly, request, stretch);
  await stretch.answer.body[Symbol.asyncIterator]().return?.();
  throw new TransientError('the server gives no ranges any longer');
}

/** The next gap that nobody has taken; undefined where there is none, or the size is not known yet and nothing is here. */
function nextPiece(assembly: Assembly, taken: readonly Range[], { sums, pieces }: DownloadRequest): Range | undefined {
  if (!hasSums(sums)) return undefined;
  const { ranges, total = Number.MAX_SAFE_INTEGER } = assembly;
  return firstGap(taken.reduce<Ranges>(addRange, ranges), total, (pieces ?? PIECES).size);
}

/** Asks for a piece, or the rest where there are none, and makes the assembly fit what the server sends. */
async function ask(
  assembly: Assembly,
  request: DownloadRequest,
  url: URL,
  piece: Range | undefined,
): Promise<Stretch | 'unchanged' | 'complete'> {
  const answer = await get(url, headersFor(assembly, request, piece), request.label, request);
  if (!hasSums(request.sums)) refuseDowngrade(url, answer, request.label);
  const said = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(answer.headers.get('content-range') ?? '');
  const total = sizeIn(answer.status === 200 ? answer.headers.get('content-length') : said?.[3]);
  if (total !== undefined && total > request.maxSize) throw tooLarge(request, total);
  if (answer.status === 304) return 'unchanged';
  if (answer.status === 416 && total === prefixOf(assembly.ranges) && total === assembly.size) return 'complete';
  const start = piece?.[0] ?? prefixOf(assembly.ranges);
  if (answer.status === 200) {
    if (start > 0 && piece && request.url !== url) return { answer, start: 0, end: undefined };
    await assembly.restart();
    assembly.mixed = false;
    await assembly.expect(total, validatorOf(answer));
    return { answer, start: 0, end: undefined };
  }
  if (answer.status !== 206 || Number(said?.[1]) !== start) {
    throw new TransientError(`the server answered ${answer.status} to a request for a part`, { stale: true });
  }
  await checkVersion(assembly, answer, total);
  const end = total === undefined ? undefined : (piece?.[1] ?? total);
  return { answer, start, end: end === undefined ? undefined : Math.min(end, total ?? end) };
}

function headersFor(assembly: Assembly, request: DownloadRequest, piece: Range | undefined): Record<string, string> {
  // fetch() itself asks for a range to come as it is.
  const headers: Record<string, string> = { 'user-agent': 'virtainers' };
  if (piece) return { ...headers, range: `bytes=${piece[0]}-${piece[1] - 1}` };
  const { etag, lastModified } = request.known ?? {};
  const { validator, ranges } = assembly;
  // Without a sum only the server can tell whether two halves belong together.
  if (prefixOf(ranges) > 0 && validator !== undefined) {
    return { ...headers, range: `bytes=${prefixOf(ranges)}-`, 'if-range': validator };
  }
  headers['accept-encoding'] = 'identity';
  if (etag !== undefined) headers['if-none-match'] = etag;
  else if (lastModified !== undefined) headers['if-modified-since'] = lastModified;
  return headers;
}

/** A part of another version than the one that is here cannot be used; one that says nothing of it is left to the sum. */
async function checkVersion(assembly: Assembly, answer: Answer, total: number | undefined): Promise<void> {
  const validator = validatorOf(answer);
  const known = assembly.size > 0 || assembly.total !== undefined;
  if (!known) return assembly.expect(total, validator);
  const resized = total !== undefined && assembly.total !== undefined && total !== assembly.total;
  if (resized || (validator !== undefined && assembly.validator !== undefined && validator !== assembly.validator)) {
    throw new TransientError('the file on the server is another one now', { stale: true });
  }
  if (validator === undefined) assembly.mixed = true;
  if (assembly.total === undefined) await assembly.expect(total, validator);
}

async function read(assembly: Assembly, request: DownloadRequest, { answer, start, end }: Stretch): Promise<void> {
  let at = start;
  const last = end ?? assembly.total;
  for await (const chunk of answer.body) {
    const piece = Buffer.from(
      chunk.buffer,
      chunk.byteOffset,
      Math.min(chunk.byteLength, (end ?? Number.POSITIVE_INFINITY) - at),
    );
    if (at === 0) refuseHtml(piece, answer, request);
    if (at + piece.length > request.maxSize) throw tooLarge(request, at + piece.length);
    await assembly.write(piece, at);
    at += piece.length;
    request.onProgress?.(assembly.size, assembly.total);
    if (at === end) break;
  }
  if (last !== undefined && at !== last) throw new TransientError(`the connection ended after ${at} of ${last} bytes`);
}

/** A strong ETag, or a date (RFC 9110, 13.1.5). */
function validatorOf({ headers }: Answer): string | undefined {
  const etag = headers.get('etag');
  return etag !== null && !etag.startsWith('W/') ? etag : (headers.get('last-modified') ?? undefined);
}

function versionOf({ headers }: Answer): Version {
  return { etag: headers.get('etag') ?? undefined, lastModified: headers.get('last-modified') ?? undefined };
}

function refuseHtml(piece: Buffer, answer: Answer, { label }: DownloadRequest): void {
  const html = /^text\/html\b/i.test(answer.headers.get('content-type') ?? '');
  if (!html && !looksLikeHtml(piece)) return;
  throw unavailable(
    label,
    'the server sent an HTML page instead of a disk image',
    'open the address in a browser to see what it says',
  );
}

function sizeIn(text: string | null | undefined): number | undefined {
  return text && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function tooLarge({ label, maxSize }: DownloadRequest, size: number): VirtainersError {
  return new VirtainersError(
    'DISK_REFUSED',
    `fetching ${label}: it has ${formatSize(size)} or more, over the limit of ${formatSize(maxSize)}`,
    { hint: 'raise the limit with --max-virtual-size if the disk is meant to be that large' },
  );
}
