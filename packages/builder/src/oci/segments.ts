import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { type Digest, digestOf, VirtainersError, writeAll } from '@virtainers/core';

/** A whole file of known content, read when its bytes are needed. */
export interface FileSegment {
  readonly path: string;
  readonly size: number;
  /** Of the file's bytes; checked whenever they are read. */
  readonly digest: Digest;
}

/** A stretch of a stream: bytes at hand or a file. Lists of them describe gigabytes without holding them. */
export type Segment = Buffer | FileSegment;

export interface StreamOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes of each piece. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

const PIECE = 1 << 20;

export function segmentsSize(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + (Buffer.isBuffer(segment) ? segment.length : segment.size), 0);
}

/** Names the stream's content without reading any file: equal keys, equal bytes. */
export function segmentsKey(segments: readonly Segment[]): Digest {
  const hash = createHash('sha256');
  for (const segment of segments) {
    if (Buffer.isBuffer(segment)) hash.update(`bytes ${segment.length}\n`).update(segment);
    else hash.update(`file ${segment.digest} ${segment.size}\n`);
  }
  return digestOf(hash);
}

/**
 * The bytes of all segments in order, a piece at a time; a piece is overwritten once the next is asked for.
 * A file whose bytes are not the promised ones is DIGEST_MISMATCH, after its last byte.
 */
export async function* streamSegments(
  segments: readonly Segment[],
  options: StreamOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  for (const segment of segments) {
    const pieces = Buffer.isBuffer(segment) ? [segment] : readFileSegment(segment);
    for await (const piece of pieces) {
      options.signal?.throwIfAborted();
      yield piece;
      options.onBytes?.(piece.length);
    }
  }
}

/** Hashes the stream, writing nothing. */
export async function digestSegments(segments: readonly Segment[], options: StreamOptions = {}): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const piece of streamSegments(segments, options)) hash.update(piece);
  return digestOf(hash);
}

/** Writes the stream at `offset` of an open file and hashes it in the same pass. */
export function writeSegments(
  handle: FileHandle,
  offset: number,
  segments: readonly Segment[],
  options: StreamOptions = {},
): Promise<Digest> {
  return writePieces(handle, offset, streamSegments(segments, options));
}

/** The same for bytes that come from elsewhere. */
export async function writePieces(handle: FileHandle, offset: number, pieces: AsyncIterable<Buffer>): Promise<Digest> {
  const hash = createHash('sha256');
  let position = offset;
  for await (const piece of pieces) {
    const written = writeAll(handle, piece, position);
    hash.update(piece);
    await written;
    position += piece.length;
  }
  return digestOf(hash);
}

/** Two buffers in turn: the next piece is read while this one is hashed and used. */
async function* readFileSegment(segment: FileSegment): AsyncGenerator<Buffer, void, undefined> {
  const handle = await open(segment.path, 'r');
  const hash = createHash('sha256');
  const buffers = [Buffer.allocUnsafe(PIECE), Buffer.allocUnsafe(PIECE)] as const;
  let total = 0;
  let turn = 0;
  let next = readAhead(handle, buffers[0], 0);
  try {
    for (;;) {
      const { bytesRead } = await next;
      if (bytesRead === 0) break;
      const piece = buffers[turn % 2 === 0 ? 0 : 1].subarray(0, bytesRead);
      total += bytesRead;
      turn += 1;
      next = readAhead(handle, buffers[turn % 2 === 0 ? 0 : 1], total);
      hash.update(piece);
      if (total > segment.size) break;
      yield piece;
    }
  } finally {
    await next.catch(() => undefined);
    await handle.close();
  }
  const digest = digestOf(hash);
  if (total !== segment.size || digest !== segment.digest) throw changed(segment, total, digest);
}

/** A read that is awaited later: until then its failure must not count as unhandled. */
function readAhead(handle: FileHandle, buffer: Buffer, position: number): Promise<{ bytesRead: number }> {
  const reading = handle.read(buffer, 0, PIECE, position);
  reading.catch(() => undefined);
  return reading;
}

function changed(segment: FileSegment, size: number, digest: Digest): VirtainersError {
  return new VirtainersError(
    'DIGEST_MISMATCH',
    `reading ${segment.path}: expected ${segment.digest} (${segment.size} bytes), got ${digest} (${size} bytes)`,
    { hint: 'the file changed while it was read, or the cache is damaged: remove that file and try again' },
  );
}
