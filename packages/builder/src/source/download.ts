import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestBytes, VirtainersError } from '@virtainers/core';
import { type Assembly, openAssembly } from './assembly.ts';
import type { DecompressOptions } from './compression.ts';
import { fetchMissing } from './fetch-pieces.ts';
import { TransientError, unavailable, type Way } from './http.ts';
import { claimPart, dropPart, releasePart } from './part.ts';
import { retrying, TRIES } from './retry.ts';
import { hasSums, type Sums } from './sums.ts';
import { unpackAlong } from './unpack-along.ts';

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
  /** In how large pieces a file with a sum is fetched, and how many at once where it has as many. */
  readonly pieces?: { readonly size: number; readonly atOnce: number } | undefined;
  /** Given, what is compressed is unpacked while it arrives, too. */
  readonly unpack?: DecompressOptions | undefined;
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

/**
 * Fetches a file, going on where an earlier try or run broke off, and checks its sums. Undefined: `known` is current.
 * SOURCE_UNAVAILABLE, DIGEST_MISMATCH, DISK_FULL; DISK_REFUSED where it was to be unpacked. What failed for want of a network or of room is kept for the next run;
 * nothing else is.
 */
export async function download(request: DownloadRequest): Promise<Download | undefined> {
  const { url, sums, folder, label, signal } = request;
  const part = await claimPart(folder, digestBytes(url.href + JSON.stringify(sums)).slice(7, 39));
  const assembly = await openAssembly(part, sums, label, signal);
  const unpacked = join(part.folder, 'unpacked');
  const unpacking = request.unpack && unpackAlong(assembly, unpacked, request.unpack);
  try {
    const fetched = await fetchWhole(assembly, request);
    const isUnpacked = fetched && (await unpacking?.result());
    await assembly.close();
    if (fetched === undefined) {
      await dropPart(part);
      return undefined;
    }
    const path = join(folder, `${fetched.digest.slice(7)}.file`);
    if (isUnpacked) await rename(unpacked, unpackedPath(folder, fetched.digest));
    await rename(part.data, path);
    await dropPart(part);
    return { path, ...fetched };
  } catch (error) {
    await assembly.close();
    await unpacking?.over();
    await rm(unpacked, { force: true });
    const full = error instanceof VirtainersError && error.code === 'DISK_FULL';
    const keep = error instanceof TransientError || full || signal?.aborted;
    await (keep ? releasePart(part) : dropPart(part));
    if (!(error instanceof TransientError)) throw error;
    const hint = 'try again later: what arrived is kept';
    throw unavailable(label, `${error.message} (${TRIES} tries)`, hint, error);
  }
}

/** Where what was in a fetched file lies until somebody takes it. */
export function unpackedPath(folder: string, digest: Digest): string {
  return join(folder, `${digest.slice(7)}.unpacked`);
}

async function fetchWhole(assembly: Assembly, request: DownloadRequest): Promise<Omit<Download, 'path'> | undefined> {
  const what = `fetching ${request.label}`;
  for (;;) {
    const version = await retrying(() => fetchMissing(assembly, request), request);
    if (version === undefined) return undefined;
    // Halves that may be of two files prove nothing against the server: it is asked once more, for all of it.
    const again = assembly.mixed && hasSums(request.sums);
    try {
      const { size } = assembly;
      return { digest: await assembly.finish(what), size, version };
    } catch (error) {
      if (!again || !(error instanceof VirtainersError) || error.code !== 'DIGEST_MISMATCH') throw error;
      await assembly.restart();
      assembly.mixed = false;
    }
  }
}
