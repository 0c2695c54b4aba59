import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { formatSize, saysDiskFull, VirtainersError, writeAtomically } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { archiveSegments, type ImageDraft, type NamedImage, writeArchive } from '../oci/archive.ts';
import { imageSets } from '../oci/image-set.ts';
import { isDigested } from '../oci/layer.ts';
import { readArchiveHead } from '../oci/read-layout.ts';
import { segmentsKey, segmentsSize } from '../oci/segments.ts';
import type { SinkResult } from './sink.ts';

/**
 * Writes the archive at `path`, whole or not at all; nothing is written where it holds those images already. Returns the
 * images with their digests, which writing has found out where they were not known. OUTPUT_UNWRITABLE.
 */
export async function writeArchiveFile(
  ctx: BuildContext,
  path: string,
  drafts: readonly ImageDraft[],
  mode?: number,
): Promise<{ images: readonly NamedImage[]; result: SinkResult }> {
  const target = resolve(path);
  const known = drafts.flatMap(({ plans, name }) => (plans.every(isDigested) ? [name(plans)] : []));
  if (known.length === drafts.length && (await holds(target, known))) {
    return { images: known, result: { kind: 'file', target, written: false } };
  }
  const layers = new Map(drafts.flatMap(({ plans }) => plans.map((plan) => [segmentsKey(plan.segments), plan.size])));
  const total = [...layers.values()].reduce((sum, size) => sum + size, 0);
  ctx.onEvent({ type: 'start', step: 'archive', title: `writing ${path}` });
  let done = 0;
  let images: readonly NamedImage[] = [];
  await guardOutput(target, async () => {
    await mkdir(dirname(target), { recursive: true });
    await writeAtomically(
      target,
      async (handle) => {
        const onBytes = (count: number) => {
          done += count;
          ctx.onEvent({ type: 'progress', step: 'archive', done: Math.min(done, total), total });
        };
        images = await writeArchive(handle, drafts, { signal: ctx.signal, onBytes });
      },
      mode,
    );
  });
  ctx.onEvent({ type: 'end', step: 'archive', note: formatSize(total), cached: false });
  return { images, result: { kind: 'file', target, written: true } };
}

/** By what its first entry says and its length: it was renamed into place whole. */
async function holds(path: string, images: readonly NamedImage[]): Promise<boolean> {
  const head = await readArchiveHead(path);
  const wanted = imageSets(images).map((set) => ({ digest: set.digest, reference: set.images[0]?.references[0] }));
  if (!isDeepStrictEqual(head, wanted)) return false;
  return (await stat(path)).size === segmentsSize(await archiveSegments(images));
}

const UNWRITABLE = 'EACCES EPERM ENOENT ENOSPC EROFS EDQUOT EISDIR ENOTDIR EEXIST EFBIG'.split(' ');

/** Only what the output's own path has to do with: a layer that cannot be read is another failure. */
export async function guardOutput<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const { code, message, path: at = path } = error as NodeJS.ErrnoException;
    const ours = path.startsWith(at) || at.startsWith(path);
    if (code === undefined || !UNWRITABLE.includes(code) || !ours) throw error;
    throw new VirtainersError('OUTPUT_UNWRITABLE', `writing ${path}: ${message}`, {
      hint: saysDiskFull(error) ? 'free some space, or write it elsewhere' : undefined,
      cause: error,
    });
  }
}
