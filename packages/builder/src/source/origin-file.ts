import { createReadStream } from 'node:fs';
import { link, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestBytes, isDigest, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import { oneAtATime } from '../cache-lock.ts';
import type { BuildContext } from '../context.ts';
import { refuseNoDisk } from '../disk/inspect-format.ts';
import { readRecord, writeRecord } from '../records.ts';
import { wayOf } from './door.ts';
import { download, unpackedPath } from './download.ts';
import { unavailable } from './http.ts';
import type { Origin } from './locate.ts';
import { hasSums, makeSumCheck, type Sums } from './sums.ts';

/** A published file of known content; its bytes are fetched when they are needed. */
export interface OriginFile {
  readonly digest: Digest;
  /** The user's own file, which is never changed or removed. */
  readonly own: boolean;
  /** The file: a user's own in place, any other as a link in `folder`, which the bake works in. */
  open(folder: string): Promise<string>;
  /** What was in the file, where it was unpacked on its way: moved into `folder` for whoever comes first. After `open`. */
  takeUnpacked?(folder: string): Promise<string | undefined>;
  /** Removes a fetched file that is no longer needed. */
  discard(): Promise<void>;
}

export interface OriginOptions {
  readonly sums: Sums;
  readonly allowUnverified: boolean;
  /** Bytes; larger files are refused. */
  readonly maxSize: number;
}

/** File systems stamp changes by the kernel's tick, 10 ms at most. */
const CLOCK_TICK_MS = 20;

const sumRecord = z.object({ digest: z.custom<Digest>(isDigest) });
const urlRecord = sumRecord.extend({ etag: z.string().optional(), lastModified: z.string().optional() });

/** Finds out what `origin` holds, reading or fetching it only if that is not known yet. SOURCE_UNAVAILABLE, DIGEST_MISMATCH. */
export async function openOrigin(ctx: BuildContext, origin: Origin, options: OriginOptions): Promise<OriginFile> {
  return origin.kind === 'path' ? openPath(ctx, origin, options.sums) : openUrl(ctx, origin, options);
}

async function openPath(ctx: BuildContext, origin: Origin & { kind: 'path' }, sums: Sums): Promise<OriginFile> {
  const asked = Date.now();
  const before = await identify(origin.path);
  const key = { ...before.key, sha512: sums.sha512 };
  const known = await readRecord(ctx, 'file', key, sumRecord);
  const open = async () => origin.path;
  const common = { own: true, open, discard: async () => undefined };
  if (known && (sums.sha256 === undefined || known.digest === `sha256:${sums.sha256}`)) {
    return { digest: known.digest, ...common };
  }
  const digest = await hashFile(ctx, origin, sums, before.size);
  const after = await identify(origin.path);
  // A change within the clock's tick of the one before would not show: such a file is read again next time.
  if (JSON.stringify(after.key) === JSON.stringify(before.key) && asked - before.changedMs > CLOCK_TICK_MS) {
    await writeRecord(ctx, 'file', key, { digest });
  }
  return { digest, ...common };
}

async function identify(path: string) {
  try {
    const real = await realpath(path);
    const stats = await stat(real, { bigint: true });
    if (!stats.isFile()) throw unavailable(path, 'it is not a file');
    const { dev, ino, size, mtimeNs, ctimeNs } = stats;
    const key = { real, id: [dev, ino, size, mtimeNs, ctimeNs].map(String) };
    return { key, size: Number(size), changedMs: Number(ctimeNs / 1_000_000n) };
  } catch (error) {
    if (error instanceof VirtainersError) throw error;
    const reason =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : (error as Error).message;
    throw new VirtainersError('SOURCE_UNAVAILABLE', `reading ${path}: ${reason}`, { cause: error });
  }
}

async function hashFile(
  ctx: BuildContext,
  origin: Origin & { kind: 'path' },
  sums: Sums,
  total: number,
): Promise<Digest> {
  ctx.onEvent({ type: 'start', step: 'fetch', title: `reading ${origin.label}` });
  const check = makeSumCheck(sums);
  let done = 0;
  for await (const piece of createReadStream(origin.path, { highWaterMark: 1 << 20 })) {
    ctx.signal?.throwIfAborted();
    check.update(piece as Buffer);
    done += (piece as Buffer).length;
    ctx.onEvent({ type: 'progress', step: 'fetch', done, total });
  }
  const digest = check.finish(`reading ${origin.path}`);
  ctx.onEvent({ type: 'end', step: 'fetch', note: digest, cached: false });
  return digest;
}

async function openUrl(
  ctx: BuildContext,
  origin: Origin & { kind: 'url' },
  options: OriginOptions,
): Promise<OriginFile> {
  if (!hasSums(options.sums) && !options.allowUnverified) {
    throw new VirtainersError(
      'ARGUMENTS_BAD',
      `${origin.label}: a file from the network needs a sum to check it against`,
      {
        hint: 'give --sha256 or --sha512 from the vendor’s page, or --allow-unverified to take whatever comes',
      },
    );
  }
  const digest = await knownDigest(ctx, options.sums);
  if (digest) return lazyFile(ctx, origin, options, digest);
  const key = digestBytes(origin.url.href + JSON.stringify(options.sums)).slice(7);
  return oneAtATime(ctx, `download-${key}`, `fetches ${origin.label}`, async () => {
    const meanwhile = await knownDigest(ctx, options.sums);
    return lazyFile(ctx, origin, options, meanwhile ?? (await fetchFile(ctx, origin, options)));
  });
}

/** False where there is no `from`. */
export async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return true;
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
}

async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
}

/** The SHA-256 behind the sums that were given; a SHA-512 alone is known once such a file has been here. */
async function knownDigest(ctx: BuildContext, sums: Sums): Promise<Digest | undefined> {
  if (sums.sha512 === undefined) return sums.sha256 === undefined ? undefined : `sha256:${sums.sha256}`;
  const known = await readRecord(ctx, 'sum', `sha512:${sums.sha512}`, sumRecord);
  return known && (sums.sha256 === undefined || known.digest === `sha256:${sums.sha256}`) ? known.digest : undefined;
}

function lazyFile(
  ctx: BuildContext,
  origin: Origin & { kind: 'url' },
  options: OriginOptions,
  digest: Digest,
): OriginFile {
  const path = join(downloads(ctx), `${digest.slice(7)}.file`);
  const sums = { ...options.sums, sha256: digest.slice(7) };
  const open = async (folder: string) => {
    const own = join(folder, 'source');
    // Another bake may discard the file at any time: what has a second name stays.
    await oneAtATime(ctx, `download-${digest.slice(7)}`, `fetches ${origin.label}`, async () => {
      while (!(await tryLink(path, own))) await fetchFile(ctx, origin, { ...options, sums });
    });
    return own;
  };
  const unpacked = unpackedPath(downloads(ctx), digest);
  return {
    digest,
    own: false,
    open,
    takeUnpacked: async (folder) => {
      const taken = join(folder, 'unpacked');
      return (await tryRename(unpacked, taken)) ? taken : undefined;
    },
    discard: async () => {
      await rm(unpacked, { force: true });
      await rm(path, { force: true });
    },
  };
}

async function fetchFile(ctx: BuildContext, origin: Origin & { kind: 'url' }, options: OriginOptions): Promise<Digest> {
  const { url, label } = origin;
  const known = hasSums(options.sums) ? undefined : await readRecord(ctx, 'url', url.href, urlRecord);
  if (ctx.offline && known) return known.digest;
  ctx.onEvent({ type: 'start', step: 'fetch', title: `fetching ${label}` });
  const fetched = await download({
    url,
    label,
    sums: options.sums,
    maxSize: options.maxSize,
    folder: downloads(ctx),
    known,
    unpack: {
      spawn: ctx.spawn,
      name: label,
      maxSize: options.maxSize,
      checkHead: (head) => refuseNoDisk(head, label),
    },
    ...wayOf(ctx),
    onProgress: (done, total) => ctx.onEvent({ type: 'progress', step: 'fetch', done, total }),
  });
  const digest = fetched?.digest ?? known?.digest;
  if (!digest) throw unavailable(label, 'the server says it has not changed, though it was never fetched');
  if (fetched && options.sums.sha512) await writeRecord(ctx, 'sum', `sha512:${options.sums.sha512}`, { digest });
  if (fetched && !hasSums(options.sums)) await writeRecord(ctx, 'url', url.href, { digest, ...fetched.version });
  ctx.onEvent({ type: 'end', step: 'fetch', note: digest, cached: fetched === undefined });
  return digest;
}

function downloads(ctx: BuildContext): string {
  return join(ctx.cacheDir, 'downloads');
}
