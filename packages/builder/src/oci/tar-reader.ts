import { VirtainersError } from '@virtainers/core';
import { BLOCK, bodySize, LONGEST_NAME, parseHeader, parseOverride, type TarOverride } from './tar-header.ts';

/** What a tar holds at the place where it is being read. */
export interface StreamedEntry {
  /** Relative, without `.` and doubled slashes. */
  readonly path: string;
  /** As in TarHeader: `0` is a file, `5` a folder. */
  readonly type: string;
  readonly size: number;
  /** Its bytes are not the file's. */
  readonly sparse: boolean;
  /** To be read, if at all, before the next entry is asked for. */
  readonly body: AsyncIterable<Buffer>;
}

/** No layer of a machine's image has so many; a layer made of nothing but headers does. */
const MOST_ENTRIES = 4_000_000;

/**
 * The entries of a tar in its order, in bounded memory whatever it says; the stream is read to its end. ARCHIVE_INVALID
 * for one that is broken or cut short, or has a path that leads out of it; `where` is named in the error.
 */
export async function* readTar(stream: AsyncIterable<Buffer>, where: string): AsyncGenerator<StreamedEntry> {
  const bytes = new ByteReader(stream);
  let override: TarOverride = {};
  for (let count = 0; ; count++) {
    const block = await bytes.exactly(BLOCK);
    if (block.every((byte) => byte === 0)) break;
    const header = block.length === BLOCK ? parseHeader(block) : undefined;
    if (!header || count > MOST_ENTRIES) throw invalid(where, 'it is no tar, or a broken one');
    const size = bodySize(header, override);
    if (header.type === 'x' || header.type === 'L') {
      if (size > LONGEST_NAME) throw invalid(where, 'a name in it is longer than any name');
      override = { ...override, ...parseOverride(header.type, await bytes.exactly(size)) };
      await skip(bytes, padding(size), where);
      continue;
    }
    const body = new Body(bytes, size, where);
    if (header.type !== 'g' && header.type !== 'K') {
      const sparse = header.type === 'S' || override.sparse === true;
      const path = cleanPath(override.name ?? header.name, where);
      yield { path, type: header.type === 'S' ? '0' : header.type, size, sparse, body };
      override = {};
    }
    await skip(bytes, body.left + padding(size), where);
  }
  while ((await bytes.some(1 << 20)).length > 0);
}

class Body {
  left: number;
  private readonly bytes: ByteReader;
  private readonly where: string;

  constructor(bytes: ByteReader, size: number, where: string) {
    this.left = size;
    this.bytes = bytes;
    this.where = where;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    while (this.left > 0) {
      const piece = await this.bytes.some(this.left);
      if (piece.length === 0) throw invalid(this.where, 'it is cut short');
      this.left -= piece.length;
      yield piece;
    }
  }
}

/** A stream of pieces, read by counts of bytes. */
class ByteReader {
  private readonly pieces: AsyncIterator<Buffer>;
  private piece: Buffer = Buffer.alloc(0);

  constructor(stream: AsyncIterable<Buffer>) {
    this.pieces = stream[Symbol.asyncIterator]();
  }

  /** At most `most` bytes; none at the end. */
  async some(most: number): Promise<Buffer> {
    while (this.piece.length === 0) {
      const next = await this.pieces.next();
      if (next.done) return this.piece;
      this.piece = next.value;
    }
    const taken = this.piece.subarray(0, most);
    this.piece = this.piece.subarray(taken.length);
    return taken;
  }

  /** Fewer at the end. */
  async exactly(length: number): Promise<Buffer> {
    const first = await this.some(length);
    if (first.length === length) return first;
    const parts = [first];
    for (let done = first.length; done < length; ) {
      const part = await this.some(length - done);
      if (part.length === 0) break;
      parts.push(part);
      done += part.length;
    }
    return Buffer.concat(parts);
  }
}

async function skip(bytes: ByteReader, count: number, where: string): Promise<void> {
  for (let left = count; left > 0; ) {
    const { length } = await bytes.some(left);
    if (length === 0) throw invalid(where, 'it is cut short');
    left -= length;
  }
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function cleanPath(name: string, where: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw invalid(where, `it names ${JSON.stringify(name.slice(0, 200))}, outside of itself`);
  return parts.join('/');
}

function invalid(where: string, reason: string): VirtainersError {
  return new VirtainersError('ARCHIVE_INVALID', `reading ${where}: ${reason}`);
}
