import { VirtainersError } from '@virtainers/core';
import { makeLimit } from './asynchronous.ts';
import { archiveImages, type Delivered, sendImage } from './bake/deliver.ts';
import { rememberBake } from './bake/digests.ts';
import { type Made, makeAll } from './bake/make.ts';
import type { BakeAllOptions, BakeOptions, BakeOutcome, BakeResult } from './bake/options.ts';
import { type ImagePlan, planImages, planOutput } from './bake/plan.ts';
import { nameCacheFailure } from './cache-failure.ts';
import { usingCache } from './cache-lock.ts';
import type { BuildContext } from './context.ts';
import { imageSize } from './oci/image.ts';
import { checkEpoch } from './oci/tar.ts';
import { requireCosign } from './supply/cosign.ts';
import { sweepWorkFolders } from './work-folder.ts';

/** Cloud image in, OCI image out; then to every sink that was asked for. The same inputs give the same digest. */
export async function bake(ctx: BuildContext, options: BakeOptions): Promise<BakeResult> {
  const [outcome] = await bakeAll(ctx, { ...options, images: [options] });
  if (outcome && 'result' in outcome) return outcome.result;
  throw outcome?.error;
}

/**
 * Several images over one runtime root, which is made once: their disks side by side, then each to its sinks, one after
 * the other, so that what they share is there already. An image that fails costs the others nothing: its outcome has the
 * error. Throws for what concerns all: a name that nobody knows, the runtime root, an archive of all images.
 */
export async function bakeAll(ctx: BuildContext, options: BakeAllOptions): Promise<BakeOutcome[]> {
  try {
    return await usingCache(ctx, () => bakeImages(ctx, options));
  } catch (error) {
    throw nameCacheFailure(ctx, error);
  }
}

async function bakeImages(ctx: BuildContext, options: BakeAllOptions): Promise<BakeOutcome[]> {
  checkEpoch(ctx.sourceDateEpoch);
  const plans = await planImages(ctx, options);
  const output = await planOutput(options, plans);
  if (options.sign) await checkSigning(ctx, plans);
  await sweepWorkFolders(ctx);
  const inTurn = makeLimit(1);
  const deliver = (made: Made) => inTurn(() => deliverOne(made, output?.path(made.plan), options));
  const settled =
    output?.kind === 'all'
      ? await deliverTogether(ctx, plans, output.path(), options)
      : await makeAll(ctx, plans, options, deliver);
  return settled.map((one, index) => {
    const source = plans[index]?.source ?? '';
    return one.status === 'fulfilled'
      ? { source, result: one.value }
      : { source, error: nameCacheFailure(ctx, one.reason) };
  });
}

/** Said before anything is made. ARGUMENTS_BAD, TOOL_MISSING. */
async function checkSigning(ctx: BuildContext, plans: readonly ImagePlan[]): Promise<void> {
  if (plans.some(({ push }) => push === undefined)) {
    throw new VirtainersError('ARGUMENTS_BAD', '--sign: only what is pushed can be signed', {
      hint: 'give --push too',
    });
  }
  await requireCosign(ctx);
}

async function deliverOne(made: Made, path: string | undefined, options: BakeAllOptions): Promise<BakeResult> {
  const [archived] = await archiveImages(made.ctx, path, [made.draft]);
  return finish(made, archived as Delivered, options);
}

/** One archive of all that could be made, once the last of them is. */
async function deliverTogether(
  ctx: BuildContext,
  plans: readonly ImagePlan[],
  path: string,
  options: BakeAllOptions,
): Promise<PromiseSettledResult<BakeResult>[]> {
  const settled = await makeAll(ctx, plans, options, async (made) => made);
  const made = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const drafts = made.map(({ draft }) => draft);
  const archived = drafts.length === 0 ? [] : await archiveImages(ctx, path, drafts);
  const inTurn = makeLimit(1);
  return Promise.allSettled(
    settled.map(async (one) => {
      if (one.status === 'rejected') throw one.reason;
      return inTurn(() => finish(one.value, archived[made.indexOf(one.value)] as Delivered, options));
    }),
  );
}

async function finish(made: Made, archived: Delivered, options: BakeAllOptions): Promise<BakeResult> {
  const { ctx, plan } = made;
  const { named, sinks } = await sendImage(ctx, archived, made, options);
  const { image } = named;
  await rememberBake(ctx, plan.name, plan.arch, image.digest);
  return {
    name: plan.name,
    reference: plan.references[0] ?? '',
    digest: image.digest,
    size: imageSize(image),
    layers: image.layers.map(({ segments: _, contents: __, ...layer }) => layer),
    cached: made.cached() && sinks.every((sink) => !sink.written),
    sinks,
  };
}
