import { type Architecture, type Digest, isDigest } from '@virtainers/core';
import { z } from 'zod';
import type { BuildContext } from '../context.ts';
import { digestedLayer, isDigested, type Layer, type LayerPlan } from '../oci/layer.ts';
import { digestSegments, segmentsKey } from '../oci/segments.ts';
import { readRecord, writeRecord } from '../records.ts';

const digestRecord = z.object({ digest: z.custom<Digest>(isDigest) });

/** A plain layer's digest is remembered by what it is made of. */
export async function recallDigests(ctx: BuildContext, plans: readonly LayerPlan[]): Promise<LayerPlan[]> {
  return Promise.all(
    plans.map(async (plan) => {
      if (isDigested(plan)) return plan;
      const known = await readRecord(ctx, 'layer', segmentsKey(plan.segments), digestRecord);
      return known ? digestedLayer(plan, known.digest) : plan;
    }),
  );
}

/** For the next bake. `layers` are those of `plans`, with their digests. */
export async function rememberDigests(
  ctx: BuildContext,
  plans: readonly LayerPlan[],
  layers: readonly Layer[],
): Promise<void> {
  for (const [index, layer] of layers.entries()) {
    const plan = plans[index];
    if (plan && !isDigested(plan))
      await writeRecord(ctx, 'layer', segmentsKey(plan.segments), { digest: layer.digest });
  }
}

/** Reads the layers whose digest nobody knows. */
export async function digestLayers(ctx: BuildContext, plans: readonly LayerPlan[]): Promise<Layer[]> {
  const unknown = plans.filter((plan) => !isDigested(plan));
  if (unknown.length === 0) return plans.filter(isDigested);
  ctx.onEvent({ type: 'start', step: 'layers', title: 'hashing layers' });
  const total = unknown.reduce((sum, plan) => sum + plan.size, 0);
  let done = 0;
  const onBytes = (count: number) => {
    done += count;
    ctx.onEvent({ type: 'progress', step: 'layers', done, total });
  };
  const layers: Layer[] = [];
  for (const plan of plans) {
    if (isDigested(plan)) layers.push(plan);
    else layers.push(digestedLayer(plan, await digestSegments(plan.segments, { signal: ctx.signal, onBytes })));
  }
  ctx.onEvent({ type: 'end', step: 'layers', note: `${layers.length} layers`, cached: false });
  return layers;
}

/** The digest of the last image of that name that was baked with this cache. */
export async function lastBaked(ctx: Pick<BuildContext, 'cacheDir'>, name: string): Promise<Digest | undefined> {
  return (await readRecord(ctx, 'bake', name, digestRecord))?.digest;
}

/** The records of amd64 are older than the choice. */
export async function rememberBake(ctx: BuildContext, name: string, arch: Architecture, digest: Digest): Promise<void> {
  await writeRecord(ctx, 'bake', arch === 'amd64' ? name : `${name} ${arch}`, { digest });
}
