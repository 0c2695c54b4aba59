import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestBytes, formatSize, VirtainersError } from '@virtainers/core';
import { looksLikeHtml } from '../disk/inspect-format.ts';
import { type Answer, get, TransientError, unavailable, type Way } from './http.ts';
import { claimPart, dropPart, type Part, readValidator, releasePart, writeValidator } from './part.ts';
import { retrying, TRIES } from './retry.ts';
import { hasSums, makeSumCheck, type SumCheck, type Sums } from './sums.ts';

export interface DownloadRequest extends Way {
  readonly url: URL;
  /** The URL as people may see it. */
  readonly label: string;
  readonly sums: Sums;
  /** Bytes; more is refused. */
  readonly maxSize: number;
  /** Where parts and finished files lie. */
  readonly folder: string;
  /** The version that is here already: when it is still the server's, nothing is fetched. */
  readonly known?: Version | undefined;
  readonly onProgress?: ((done: number, total: number | undefined) => void) | undefined;
}

/** What a server calls the bytes behind a URL. */
export interface Version {
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
}

export interface Download {
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  readonly version: Version;
}

/** One try's state: what of the file is here, and its hash so far. */
interface Progress {
  readonly part: Part;
  done: number;
  check: SumCheck;
  version: Version;
  /** The first bytes came from an earlier run. */
  resumed: boolean;
}

/**
 * Fetches a file, going on where an earlier try or run broke off, and checks its sums. Undefined: `known` is current.
 * SOURCE_UNAVAILABLE, DIGEST_MISMATCH. What failed for want of a network is kept for the next run; nothing else is.
 */
export async function download(request: DownloadRequest): Promise<Download | undefined> {
  const part = await claimPart(
    request.folder,
    digestBytes(request.url.href + JSON.stringify(request.sums)).slice(7, 39),
  );
  try {
    const progress = await resume(part, request);
    if ((await fetchAll(progress, request)) === 'unchanged') {
      await dropPart(part);
      return undefined;
    }
    const digest = progress.check.finish(`fetching ${request.label}`);
    const path = join(request.folder, `${digest.slice(7)}.file`);
    await rename(part.data, path);
    await dropPart(part);
    return { path, digest, size: progress.done, version: progress.version };
  } catch (error) {
    const keep = error instanceof TransientError || request.signal?.aborted;
    await (keep ? releasePart(part) : dropPart(part));
    if (error instanceof TransientError) {
      throw unavailable(
        request.label,
        `${error.message} (${TRIES} tries)`,
        'try again later: what arrived is kept',
        error,
      );
    }
    throw error;
  }
}

async function resume(part: Part, { sums, signal }: DownloadRequest): Promise<Progress> {
  const check = makeSumCheck(sums);
  let done = 0;
  for await (const piece of createReadStream(part.data, { highWaterMark: 1 << 20 })) {
    signal?.throwIfAborted();
    check.update(piece as Buffer);
    done += (piece as Buffer).length;
  }
  return { part, done, check, version: {}, resumed: done > 0 };
}

async function fetchAll(progress: Progress, request: DownloadRequest): Promise<'done' | 'unchanged'> {
  const handle = await open(progress.part.data, 'r+');
  try {
    return await retrying(() => fetchRest(handle, progress, request), request);
  } finally {
    await handle.close();
  }
}

async function fetchRest(
  handle: FileHandle,
  progress: Progress,
  request: DownloadRequest,
): Promise<'done' | 'unchanged'> {
  const answer = await get(request.url, await rangeHeaders(progress, request), request.label, request);
  if (answer.status === 304) return 'unchanged';
  const total = await matchAnswer(handle, answer, progress, request);
  if (total !== undefined && total > request.maxSize) throw tooLarge(request, total);
  for await (const chunk of answer.body) {
    const piece = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (progress.done === 0) refuseHtml(piece, answer, request);
    if (progress.done + piece.length > request.maxSize) throw tooLarge(request, progress.done + piece.length);
    await handle.write(piece, 0, piece.length, progress.done);
    progress.check.update(piece);
    progress.done += piece.length;
    request.onProgress?.(progress.done, total);
  }
  if (total !== undefined && progress.done !== total) {
    throw new TransientError(`the connection ended after ${progress.done} of ${total} bytes`);
  }
  if (progress.resumed && !(await sumsHold(progress, request))) {
    await restart(handle, progress, request);
    throw new TransientError('what an earlier run had fetched is of another file');
  }
  await handle.sync();
  return 'done';
}

async function rangeHeaders(progress: Progress, request: DownloadRequest): Promise<Record<string, string>> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity', 'user-agent': 'virtainers' };
  const { etag, lastModified } = request.known ?? {};
  if (progress.done > 0) {
    const validator = await readValidator(progress.part);
    // Without a validator only a sum can tell whether the two halves belong together.
    if (validator !== undefined || hasSums(request.sums)) headers['range'] = `bytes=${progress.done}-`;
    if (validator !== undefined) headers['if-range'] = validator;
  } else if (etag !== undefined) headers['if-none-match'] = etag;
  else if (lastModified !== undefined) headers['if-modified-since'] = lastModified;
  return headers;
}

/** Makes `progress` fit what the server sends: the rest, or all of it. Returns the file's size where it is said. */
async function matchAnswer(
  handle: FileHandle,
  answer: Answer,
  progress: Progress,
  request: DownloadRequest,
): Promise<number | undefined> {
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(answer.headers.get('content-range') ?? '');
  if (answer.status === 416 && Number(range?.[2]) === progress.done) return progress.done;
  if (answer.status === 206 && Number(range?.[1]) === progress.done) return sizeOf(range?.[2]);
  if (answer.status !== 200) {
    await restart(handle, progress, request);
    throw new TransientError(`the server answered ${answer.status} to a request for the rest`);
  }
  await restart(handle, progress, request);
  const etag = answer.headers.get('etag') ?? undefined;
  const lastModified = answer.headers.get('last-modified') ?? undefined;
  progress.version = { etag, lastModified };
  await writeValidator(progress.part, etag !== undefined && !etag.startsWith('W/') ? etag : lastModified);
  return sizeOf(answer.headers.get('content-length') ?? undefined);
}

async function restart(handle: FileHandle, progress: Progress, { sums }: DownloadRequest): Promise<void> {
  await handle.truncate(0);
  progress.done = 0;
  progress.check = makeSumCheck(sums);
  progress.resumed = false;
}

/** Only asked of a resumed file, whose sum a second try from the start may mend. */
async function sumsHold({ part }: Progress, { sums }: DownloadRequest): Promise<boolean> {
  const check = makeSumCheck(sums);
  for await (const piece of createReadStream(part.data, { highWaterMark: 1 << 20 })) check.update(piece as Buffer);
  try {
    check.finish('');
    return true;
  } catch {
    return false;
  }
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

function sizeOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function tooLarge({ label, maxSize }: DownloadRequest, size: number): VirtainersError {
  return new VirtainersError(
    'DISK_REFUSED',
    `fetching ${label}: it has ${formatSize(size)} or more, over the limit of ${formatSize(maxSize)}`,
    {
      hint: 'raise the limit with --max-virtual-size if the disk is meant to be that large',
    },
  );
}
