import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type Digest, digestOf, type Spawn, toolMissing, VirtainersError } from '@virtainers/core';

/** A layer's bytes in a file, and what they must hash to. */
export interface StoredLayer {
  /** For people. */
  readonly where: string;
  readonly path: string;
  readonly offset: number;
  readonly size: number;
  /** Of the bytes as stored; undefined where only the tar's digest is known. */
  readonly digest: Digest | undefined;
  /** Of the tar. */
  readonly diffID: Digest;
}

export interface UnpackOptions {
  readonly spawn: Spawn;
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of stored bytes of each piece. */
  readonly onBytes?: ((count: number) => void) | undefined;
  /** Sees each piece as it is stored. */
  readonly onStored?: ((piece: Buffer) => Promise<void>) | undefined;
}

/**
 * The tar of a layer, plain, gzip or zstd by its first bytes, read once in bounded memory. Whoever reads it to its end
 * knows that both digests hold. DIGEST_MISMATCH, ARCHIVE_INVALID; TOOL_MISSING without zstd.
 */
export async function* unpackLayer(layer: StoredLayer, options: UnpackOptions): AsyncGenerator<Buffer> {
  const stored = createHash('sha256');
  const tar = createHash('sha256');
  const pieces = hashed(readStored(layer, options), stored);
  const first = await pieces.next();
  const head = first.done ? Buffer.alloc(0) : first.value;
  const whole = prepend(head, pieces);
  const kind = kindOf(head);
  try {
    for await (const piece of kind ? UNPACKERS[kind](whole, layer, options) : whole) {
      if (kind) tar.update(piece);
      yield piece;
    }
  } catch (error) {
    throw error instanceof VirtainersError && error.code === 'ARCHIVE_INVALID' ? await causeOf(error, layer) : error;
  }
  const digest = digestOf(stored);
  const diffID = kind ? digestOf(tar) : digest;
  if (layer.digest && digest !== layer.digest) throw mismatch(layer, layer.digest, digest);
  if (diffID !== layer.diffID) throw mismatch(layer, layer.diffID, diffID);
}

/** What cannot be unpacked is, more often than not, not what was asked for. */
async function causeOf(error: VirtainersError, layer: StoredLayer): Promise<VirtainersError> {
  if (layer.digest === undefined) return error;
  const hash = createHash('sha256');
  for await (const piece of readStored(layer, {})) hash.update(piece);
  const digest = digestOf(hash);
  return digest === layer.digest ? error : mismatch(layer, layer.digest, digest);
}

type Unpacker = (pieces: AsyncIterable<Buffer>, layer: StoredLayer, options: UnpackOptions) => AsyncIterable<Buffer>;

const UNPACKERS = { gzip: gunzip, zstd: unzstd } as const satisfies Record<string, Unpacker>;

function kindOf(head: Buffer): keyof typeof UNPACKERS | undefined {
  if (head.length >= 3 && head.readUIntBE(0, 3) === 0x1f8b08) return 'gzip';
  return head.length >= 4 && head.readUInt32BE(0) === 0x28b52ffd ? 'zstd' : undefined;
}

async function* readStored(
  { path, offset, size }: StoredLayer,
  options: Omit<UnpackOptions, 'spawn'>,
): AsyncGenerator<Buffer> {
  if (size === 0) return;
  for await (const piece of createReadStream(path, { start: offset, end: offset + size - 1, highWaterMark: 1 << 20 })) {
    options.signal?.throwIfAborted();
    await options.onStored?.(piece as Buffer);
    yield piece as Buffer;
    options.onBytes?.((piece as Buffer).length);
  }
}

async function* hashed(
  pieces: AsyncIterable<Buffer>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of pieces) {
    hash.update(piece);
    yield piece;
  }
}

async function* prepend(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

async function* gunzip(pieces: AsyncIterable<Buffer>, layer: StoredLayer): AsyncGenerator<Buffer> {
  const unpacked = createGunzip({ chunkSize: 1 << 20 });
  const fed = pipeline(Readable.from(pieces), unpacked).catch(() => undefined);
  try {
    for await (const piece of unpacked) yield piece as Buffer;
  } catch (error) {
    throw error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')
      ? damaged(layer, error.message)
      : error;
  } finally {
    unpacked.destroy();
    await fed;
  }
}

/** Node.js 20 has no zstd of its own. */
async function* unzstd(
  pieces: AsyncIterable<Buffer>,
  layer: StoredLayer,
  { spawn }: UnpackOptions,
): AsyncGenerator<Buffer> {
  const child = spawn('zstd', ['-dcq', '--memory=512MB'], { stdin: 'pipe' });
  let complaint = '';
  child.stderr?.on('data', (chunk) => {
    complaint = (complaint + String(chunk)).slice(-1000);
  });
  let broken: unknown;
  const fed = pipeline(Readable.from(pieces), child.stdin as NodeJS.WritableStream).catch((error) => {
    broken = error;
  });
  try {
    for await (const piece of child.stdout ?? []) yield piece as Buffer;
    await fed;
    const { exitCode } = await child.exited;
    if (exitCode === 127) throw toolMissing('zstd');
    if (broken instanceof Error && (broken as NodeJS.ErrnoException).code !== 'EPIPE') throw broken;
    if (exitCode !== 0) throw damaged(layer, complaint.trim());
  } finally {
    child.kill('SIGKILL');
    await child.exited;
  }
}

function mismatch({ where }: StoredLayer, expected: Digest, got: Digest): VirtainersError {
  return new VirtainersError('DIGEST_MISMATCH', `reading ${where}: expected ${expected}, got ${got}`);
}

function damaged({ where }: StoredLayer, reason: string): VirtainersError {
  return new VirtainersError('ARCHIVE_INVALID', `unpacking ${where}: it is truncated or damaged (${reason})`);
}
