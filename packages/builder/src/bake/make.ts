import { availableParallelism } from 'node:os';
import { makeLimit } from '../asynchronous.ts';
import type { BuildContext } from '../context.ts';
import type { ImageDraft } from '../oci/archive.ts';
import type { Origins } from '../supply/attestation.ts';
import { draftImage } from './draft.ts';
import type { CommonOptions } from './options.ts';
import { makeDisk, shareParts } from './parts.ts';
import type { ImagePlan } from './plan.ts';

const MOST_AT_ONCE = 4;

/** An image whose parts are there and that has not gone anywhere. */
export interface Made extends Origins {
  /** Whose events say which image they are about, where there are several. */
  readonly ctx: BuildContext;
  readonly draft: ImageDraft;
  /** Nothing had to be made, so far. */
  readonly cached: () => boolean;
}

/**
 * Makes what images share once and their disks beside it, and hands over each image as soon as its parts are there. One
 * that fails leaves the others alone; what they share, if it fails, stops them all and is thrown once they have ended.
 */
export async function makeAll<T>(
  outer: BuildContext,
  plans: readonly ImagePlan[],
  options: CommonOptions,
  use: (made: Made) => Promise<T>,
): Promise<PromiseSettledResult<T>[]> {
  const stop = new AbortController();
  const signal = outer.signal ? AbortSignal.any([outer.signal, stop.signal]) : stop.signal;
  const ctx = { ...outer, signal };
  const common = watchCache(ctx);
  const parts = shareParts(common.ctx, options);
  const limit = makeLimit(options.concurrency ?? Math.min(MOST_AT_ONCE, availableParallelism()));
  let needed = plans.length;
  const make = async (plan: ImagePlan): Promise<T> => {
    const own = watchCache(plans.length === 1 ? ctx : forImage(ctx, titleOf(plan, plans)));
    const baked = await limit(() => makeDisk(own.ctx, plan, parts, options)).catch((error) => {
      needed -= 1;
      if (needed === 0) stop.abort(error);
      throw error;
    });
    const draft = await draftImage(own.ctx, plan, await parts.lowerLayers(plan), baked);
    const tools = options.runtime === undefined ? (await parts.tools()).contents : undefined;
    return use({ plan, baked, tools, ctx: own.ctx, draft, cached: () => common.cached() && own.cached() });
  };
  const failure = failureOf(Promise.all(plans.map(({ platform }) => parts.root(platform))), stop);
  const settled = await Promise.allSettled(plans.map(make));
  const reason = await failure;
  outer.signal?.throwIfAborted();
  if (reason !== undefined) throw reason;
  return settled;
}

/** What it failed with of its own accord; the others are stopped then. */
async function failureOf(shared: Promise<unknown>, stop: AbortController): Promise<unknown> {
  try {
    await shared;
  } catch (error) {
    if (stop.signal.aborted) return undefined;
    stop.abort(error);
    return error;
  }
}

/** Sees on its way to the caller whether anything had to be made. */
function watchCache(ctx: BuildContext): { ctx: BuildContext; cached: () => boolean } {
  let made = false;
  const onEvent: BuildContext['onEvent'] = (event) => {
    if (event.type === 'end' && !event.cached) made = true;
    ctx.onEvent(event);
  };
  return { ctx: { ...ctx, onEvent }, cached: () => !made };
}

/** With its architecture, where the name stands for several. */
function titleOf({ name, arch }: ImagePlan, plans: readonly ImagePlan[]): string {
  return plans.filter((plan) => plan.name === name).length > 1 ? `${name} (${arch})` : name;
}

function forImage(ctx: BuildContext, image: string): BuildContext {
  return { ...ctx, onEvent: (event) => ctx.onEvent({ ...event, image }) };
}
