import { VirtainersError } from '@virtainers/core';
import { looksLikeHtml } from '../disk/inspect-format.ts';
import { get, refuseDowngrade, TransientError, unavailable, type Way } from './http.ts';
import { publicUrl } from './locate.ts';
import { retrying, TRIES } from './retry.ts';

export interface TextRequest extends Way {
  readonly url: URL;
  /** A page for people is what is asked for: the listing of a folder. */
  readonly html?: boolean | undefined;
}

/** Indexes, sums and signatures: Ubuntu's index is the largest, a few MiB. */
const MAX_SIZE = 64 * 1024 * 1024;

/** A small file as a whole, and where redirects led to it. SOURCE_UNAVAILABLE. */
export async function fetchSmall(request: TextRequest): Promise<{ bytes: Buffer; url: URL }> {
  const label = publicUrl(request.url);
  try {
    return await retrying(() => fetchOnce(request, label), request);
  } catch (error) {
    if (!(error instanceof TransientError)) throw error;
    throw unavailable(label, `${error.message} (${TRIES} tries)`, 'try again later', error);
  }
}

async function fetchOnce(request: TextRequest, label: string) {
  const { url, html } = request;
  const headers = { 'accept-encoding': 'identity', 'user-agent': 'virtainers' };
  const answer = await get(url, headers, label, request);
  refuseDowngrade(url, answer, label);
  if (answer.status !== 200) throw unavailable(label, `the server answered ${answer.status}`);
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of answer.body) {
    size += piece.length;
    if (size > MAX_SIZE) throw new VirtainersError('SOURCE_UNAVAILABLE', `fetching ${label}: it has no end`);
    pieces.push(piece);
  }
  const expected = answer.headers.get('content-length');
  if (expected !== null && Number(expected) !== size) {
    throw new TransientError(`the connection ended after ${size} of ${expected} bytes`);
  }
  const bytes = Buffer.concat(pieces);
  if (!html && looksLikeHtml(bytes)) {
    throw unavailable(
      label,
      'the server sent an HTML page instead',
      'open the address in a browser to see what it says',
    );
  }
  return { bytes, url: answer.url };
}
