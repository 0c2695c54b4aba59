import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { type Child, formatSize, type Spawn, toolMissing, VirtainersError, writeAll } from '@virtainers/core';

export type Compression = 'xz' | 'gzip' | 'zstd' | 'bzip2';

export interface DecompressOptions {
  readonly spawn: Spawn;
  /** For people. */
  readonly name: string;
  /** Bytes that may come out; more is DISK_REFUSED. */
  readonly maxSize: number;
  /** Sees the first bytes that come out (at most HEAD) as soon as they are there; throws to refuse them. */
  readonly checkHead: (head: Buffer) => void;
  readonly onBytes?: ((count: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What `checkHead` is shown. */
export const HEAD = 64 * 1024;

/** Bytes by which every kind is told. */
export const LONGEST_MAGIC = 6;

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['gzip', [0x1f, 0x8b, 0x08]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

/** Each reads stdin and writes to stdout, in bounded memory whatever the file asks for. */
const PROGRAMS: Record<Exclude<Compression, 'gzip'>, readonly string[]> = {
  xz: ['-dc', '--memlimit-decompress=1GiB'],
  zstd: ['-dcq', '--memory=512MB'],
  bzip2: ['-dc'],
};

/** Told by the first bytes, never by the name. `head` holds LONGEST_MAGIC of them at least, or all there are. */
export function compressionOf(head: Buffer): Compression | undefined {
  return MAGIC.find(([, magic]) => magic.every((byte, index) => head[index] === byte))?.[0];
}

export async function detectCompression(path: string): Promise<Compression | undefined> {
  const handle = await open(path, 'r');
  try {
    const head = Buffer.alloc(LONGEST_MAGIC);
    await handle.read(head, 0, head.length, 0);
    return compressionOf(head);
  } finally {
    await handle.close();
  }
}

/** Unpacks a file as `decompressStream` does. */
export async function decompress(
  from: string,
  to: string,
  kind: Compression,
  options: DecompressOptions,
): Promise<number> {
  return decompressStream(createReadStream(from, { highWaterMark: 1 << 20 }), to, kind, options);
}

/**
 * Unpacks what comes into the new file `to`, leaving holes where it is all zeros. Returns the size.
 * DISK_REFUSED when it is damaged or too large; TOOL_MISSING without the program; rejects as `input` does.
 * Leaves `to` to its caller.
 */
export async function decompressStream(
  input: Readable,
  to: string,
  kind: Compression,
  options: DecompressOptions,
): Promise<number> {
  const handle = await open(to, 'wx');
  try {
    return await (kind === 'gzip' ? runZlib(input, handle, options) : runProgram(input, handle, kind, options));
  } finally {
    input.destroy();
    await handle.close();
  }
}

async function runZlib(input: Readable, handle: FileHandle, options: DecompressOptions): Promise<number> {
  const output = input.pipe(createGunzip({ chunkSize: 1 << 20 }));
  input.on('error', (error) => output.destroy(error));
  return writeOut(output, handle, options).catch((error) => {
    throw isZlibError(error) ? damaged(options.name, error.message) : error;
  });
}

async function runProgram(
  input: Readable,
  handle: FileHandle,
  kind: Exclude<Compression, 'gzip'>,
  options: DecompressOptions,
): Promise<number> {
  const child = options.spawn(kind, PROGRAMS[kind], { stdin: 'pipe' });
  const complaint = collect(child.stderr);
  const fed = feed(input, child);
  try {
    const size = await writeOut(child.stdout as AsyncIterable<unknown>, handle, options);
    const { exitCode } = await child.exited;
    if (exitCode === 127) throw toolMissing(kind);
    const failure = await fed;
    if (failure) throw failure;
    if (exitCode !== 0) throw damaged(options.name, await complaint);
    return size;
  } finally {
    child.kill('SIGKILL');
    await child.exited;
  }
}

/** Resolves to what `input` failed by, the program being ended then; a program that reads no further says by its exit code why. */
async function feed(input: Readable, child: Child): Promise<unknown> {
  let failure: unknown;
  input.once('error', (error) => {
    failure = error;
    child.kill('SIGKILL');
  });
  await pipeline(input, child.stdin as Writable).catch(() => undefined);
  return failure;
}

async function writeOut(
  output: AsyncIterable<unknown>,
  handle: FileHandle,
  options: DecompressOptions,
): Promise<number> {
  let size = 0;
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of output) {
    options.signal?.throwIfAborted();
    const piece = chunk as Buffer;
    if (head) {
      head = Buffer.concat([head, piece.subarray(0, HEAD - head.length)]);
      if (head.length === HEAD) {
        options.checkHead(head);
        head = undefined;
      }
    }
    if (size + piece.length > options.maxSize) throw tooLarge(options);
    await writeSparse(handle, piece, size);
    size += piece.length;
    options.onBytes?.(piece.length);
  }
  if (head) options.checkHead(head);
  await handle.truncate(size);
  return size;
}

const ZEROS = Buffer.alloc(1 << 20);

/** Writes `piece` into a new file; holes cost nothing, and a raw cloud image is mostly holes. */
export async function writeSparse(handle: FileHandle, piece: Buffer, offset: number): Promise<void> {
  for (let at = 0; at < piece.length; at += ZEROS.length) {
    const part = piece.subarray(at, at + ZEROS.length);
    if (part.equals(ZEROS.subarray(0, part.length))) continue;
    await writeAll(handle, part, offset + at);
  }
}

async function collect(stream: AsyncIterable<Buffer> | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text = (text + chunk.toString('utf8')).slice(-1000);
  return text.trim().split('\n').at(-1) ?? '';
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}

function damaged(name: string, reason: string): VirtainersError {
  return new VirtainersError('DISK_REFUSED', `unpacking ${name}: it is truncated or damaged (${reason})`);
}

function tooLarge({ name, maxSize }: DecompressOptions): VirtainersError {
  return new VirtainersError('DISK_REFUSED', `unpacking ${name}: it holds more than ${formatSize(maxSize)}`, {
    hint: 'raise the limit with --max-virtual-size if the disk is meant to be that large',
  });
}
