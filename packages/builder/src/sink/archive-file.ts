import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { formatSize, VirtainersError, writeAtomically } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { archiveSegments, type NamedImage, writeArchive } from '../oci/archive.ts';
import { isDigested, type Layer, type LayerPlan } from '../oci/layer.ts';
import { readArchiveHead } from '../oci/read-layout.ts';
import { segmentsSize } from '../oci/segments.ts';
import type { SinkResult } from './sink.ts';

/**
 * Writes the archive at `path`, whole or not at all; nothing is written where it holds that image already. Returns the
 * layers with their digests, which writing has found out where they were not known. OUTPUT_UNWRITABLE.
 */
export async function writeArchiveFile(
  ctx: BuildContext,
  path: string,
  plans: readonly LayerPlan[],
  name: (layers: readonly Layer[]) => NamedImage,
): Promise<{ layers: readonly Layer[]; result: SinkResult }> {
  const target = resolve(path);
  if (plans.every(isDigested) && (await holds(target, name(plans)))) {
    return { layers: plans, result: { kind: 'file', target, written: false } };
  }
  const total = plans.reduce((sum, plan) => sum + plan.size, 0);
  ctx.onEvent({ type: 'start', step: 'archive', title: `writing ${path}` });
  let done = 0;
  let layers: readonly Layer[] = [];
  await guard(target, async () => {
    await mkdir(dirname(target), { recursive: true });
    await writeAtomically(target, async (handle) => {
      const onBytes = (count: number) => {
        done += count;
        ctx.onEvent({ type: 'progress', step: 'archive', done: Math.min(done, total), total });
      };
      layers = (await writeArchive(handle, plans, name, { signal: ctx.signal, onBytes })).layers;
    });
  });
  ctx.onEvent({ type: 'end', step: 'archive', note: formatSize(total), cached: false });
  return { layers, result: { kind: 'file', target, written: true } };
}

/** By what its first entry says and its length: it was renamed into place whole. */
async function holds(path: string, named: NamedImage): Promise<boolean> {
  const head = await readArchiveHead(path);
  if (head?.digest !== named.image.digest || head.reference !== named.references[0]) return false;
  return (await stat(path)).size === segmentsSize(await archiveSegments(named));
}

const UNWRITABLE = 'EACCES EPERM ENOENT ENOSPC EROFS EDQUOT EISDIR ENOTDIR EEXIST EFBIG'.split(' ');

/** Only what the output's own path has to do with: a layer that cannot be read is another failure. */
async function guard(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const { code, message, path: at = path } = error as NodeJS.ErrnoException;
    const ours = path.startsWith(at) || at.startsWith(path);
    if (code === undefined || !UNWRITABLE.includes(code) || !ours) throw error;
    throw new VirtainersError('OUTPUT_UNWRITABLE', `writing ${path}: ${message}`, {
      hint: code === 'ENOSPC' ? 'free some space or give another --output' : undefined,
      cause: error,
    });
  }
}
