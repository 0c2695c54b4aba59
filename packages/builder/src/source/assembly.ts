import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Digest, formatSize, freeBytes, VirtainersError, writeAll } from '@virtainers/core';
import { makeFollowers } from './follow-prefix.ts';
import { type Part, type PartState, readState, writeState } from './part.ts';
import { addRange, clipRanges, prefixOf, type Ranges, sizeOfRanges } from './ranges.ts';
import { makeSumCheck, type SumCheck, type Sums } from './sums.ts';

/** A file that is put together from pieces in any order; what of it stands without a gap is hashed meanwhile. */
export interface Assembly {
  readonly ranges: Ranges;
  /** Bytes that are there. */
  readonly size: number;
  /** Of the whole file, where it is known. */
  readonly total: number | undefined;
  /** What the server calls the version that this is of. */
  readonly validator: string | undefined;
  /** Its bytes may be of two versions: an earlier run's, or answers that do not say what they are of. */
  mixed: boolean;
  /** Says how large it will be, and of what version. DISK_FULL when there is no room for it. */
  expect(total: number | undefined, validator: string | undefined): Promise<void>;
  /** DISK_FULL. */
  write(piece: Buffer, at: number): Promise<void>;
  restart(): Promise<void>;
  /** How often it was restarted. */
  readonly attempt: number;
  /** Its bytes from the first on, as soon as none is missing before them, to its end. Rejects when it is restarted or closed. */
  follow(): AsyncIterable<Buffer>;
  /** The digest, once all is there. DIGEST_MISMATCH; `what` was being done. */
  finish(what: string): Promise<Digest>;
  /** Keeps what is there for another run. */
  close(): Promise<void>;
}

/** How much may be fetched again after a SIGKILL. */
const SAVED_EACH = 4 << 20;
const PIECE = 1 << 20;

/** Opens `part` with what an earlier run has left in it. `label` is for people. */
export async function openAssembly(part: Part, sums: Sums, label: string, signal?: AbortSignal): Promise<Assembly> {
  const handle = await open(part.data, 'r+');
  let { ranges, total, validator }: { ranges: Ranges } & Omit<PartState, 'ranges'> = await readState(part);
  ranges = clipRanges(ranges, (await stat(part.data)).size);
  let hash = startHash(handle, sums, () => prefixOf(ranges), signal);
  const followers = makeFollowers(handle, () => prefixOf(ranges));
  let attempt = 0;
  let unsaved = 0;
  let saving = Promise.resolve();
  const room = roomFor(label, dirname(part.folder));
  const save = () => {
    const state = { validator, total, ranges: ranges.map(([start, end]): [number, number] => [start, end]) };
    saving = saving.catch(() => undefined).then(() => room.guard(() => writeState(part, state)));
    return saving;
  };
  return {
    get ranges() {
      return ranges;
    },
    get size() {
      return sizeOfRanges(ranges);
    },
    get total() {
      return total;
    },
    get validator() {
      return validator;
    },
    mixed: ranges.length > 0,
    expect: async (size, version) => {
      [total, validator] = [size, version];
      if (size !== undefined) await room.check(size - sizeOfRanges(ranges));
      await save();
    },
    write: async (piece, at) => {
      await room.guard(() => writeAll(handle, piece, at));
      ranges = addRange(ranges, [at, at + piece.length]);
      hash.see(piece, at);
      followers.wake();
      unsaved += piece.length;
      if (unsaved < SAVED_EACH) return;
      unsaved = 0;
      await save();
    },
    get attempt() {
      return attempt;
    },
    follow: () => followers.follow(),
    restart: async () => {
      await hash.end();
      attempt += 1;
      followers.restart();
      await handle.truncate(0);
      [ranges, total, validator] = [[], undefined, undefined];
      hash = startHash(handle, sums, () => prefixOf(ranges), signal);
    },
    finish: async (what) => {
      followers.end();
      await room.guard(() => handle.sync());
      return (await hash.end()).finish(what);
    },
    close: async () => {
      followers.close();
      await hash.end().catch(() => undefined);
      await save().catch(() => undefined);
      await handle.close();
    },
  };
}

interface PrefixHash {
  /** A piece that is in the file now: hashed from memory where it is the next one. */
  see(piece: Buffer, at: number): void;
  /** Once all of the prefix is hashed. */
  end(): Promise<SumCheck>;
}

/** What came out of order is read again once the gap before it is closed; nothing else is. */
function startHash(handle: FileHandle, sums: Sums, prefix: () => number, signal?: AbortSignal): PrefixHash {
  const check = makeSumCheck(sums);
  let hashed = 0;
  let reading: Promise<void> | undefined;
  const update = (piece: Buffer) => {
    check.update(piece);
    hashed += piece.length;
  };
  const readOn = async () => {
    const buffer = Buffer.allocUnsafe(PIECE);
    while (hashed < prefix()) {
      signal?.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, Math.min(PIECE, prefix() - hashed), hashed);
      if (bytesRead === 0) throw new Error('a file became shorter while it was fetched');
      update(buffer.subarray(0, bytesRead));
    }
    reading = undefined;
  };
  const catchUp = () => {
    if (reading || hashed >= prefix()) return;
    reading = readOn();
    // It is awaited at the end: until then its failure must not count as unhandled.
    reading.catch(() => undefined);
  };
  return {
    see: (piece, at) => {
      if (at === hashed && !reading) update(piece);
      catchUp();
    },
    end: async () => {
      catchUp();
      await reading;
      return check;
    },
  };
}

function roomFor(label: string, folder: string) {
  const full = (reason: string, cause?: unknown) =>
    new VirtainersError('DISK_FULL', `fetching ${label}: ${reason}`, {
      hint: `free some space there (virtainers cache prune), or keep the cache elsewhere with --cache-dir`,
      cause,
    });
  return {
    check: async (needed: number) => {
      const free = await freeBytes(folder);
      if (needed <= free) return;
      throw full(`it needs ${formatSize(needed)} in ${folder}, where ${formatSize(free)} are free`);
    },
    guard: async <T>(write: () => Promise<T>): Promise<T> => {
      try {
        return await write();
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
        throw full(`writing to ${folder}: ${message}`, error);
      }
    },
  };
}
