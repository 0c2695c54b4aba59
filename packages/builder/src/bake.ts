import { VirtainersError } from '@virtainers/core';
import { makeLimit } from './asynchronous.ts';
import { archiveImages, type Delivered, sendImages } from './bake/deliver.ts';
import { rememberBake } from './bake/digests.ts';
import { type Made, makeAll } from './bake/make.ts';
import type { BakeAllOptions, BakeOptions, BakeOutcome, BakeResult } from './bake/options.ts';
import { type ImagePlan, planImages, planOutput, plansByName } from './bake/plan.ts';
import { nameCacheFailure } from './cache-failure.ts';
import { usingCache } from './cache-lock.ts';
import type { BuildContext } from './context.ts';
import type { NamedImage } from './oci/archive.ts';
import { imageSize } from './oci/image.ts';
import { imageSet, setSize } from './oci/image-set.ts';
import { checkEpoch } from './oci/tar.ts';
import { rememberImage } from './publish/baked-images.ts';
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
  const names = plansByName(plans);
  const output = await planOutput(
    options,
    names.map(([plan]) => plan),
  );
  if (options.sign) await checkSigning(ctx, plans);
  await sweepWorkFolders(ctx);
  const inTurn = makeLimit(1);
  const deliver = (made: readonly Made[]) => inTurn(() => deliverOne(made, output?.path(planOf(made)), options));
  const settled =
    output?.kind === 'all'
      ? await deliverTogether(ctx, plans, output.path(), options)
      : await deliverEach(ctx, plans, options, deliver);
  return settled.map((one, index) => {
    const source = names[index]?.[0].source ?? '';
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

/** An image as soon as its parts are there; those of one name, for several platforms, when all are. */
async function deliverEach(
  ctx: BuildContext,
  plans: readonly ImagePlan[],
  options: BakeAllOptions,
  deliver: (made: readonly Made[]) => Promise<BakeResult>,
): Promise<PromiseSettledResult<BakeResult>[]> {
  if (plansByName(plans).length === plans.length) return makeAll(ctx, plans, options, (made) => deliver([made]));
  const made = await makeNames(ctx, plans, options);
  return Promise.allSettled(made.map(async (one) => deliver(fulfilled(one))));
}

async function deliverOne(
  made: readonly Made[],
  path: string | undefined,
  options: BakeAllOptions,
): Promise<BakeResult> {
  const drafts = made.map(({ draft }) => draft);
  return finish(made, await archiveImages(made[0]?.ctx as BuildContext, path, drafts), options);
}

/** One archive of all that could be made, once the last of them is. */
async function deliverTogether(
  ctx: BuildContext,
  plans: readonly ImagePlan[],
  path: string,
  options: BakeAllOptions,
): Promise<PromiseSettledResult<BakeResult>[]> {
  const names = await makeNames(ctx, plans, options);
  const made = names.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  const drafts = made.map(({ draft }) => draft);
  const { images, sinks } = drafts.length === 0 ? { images: [], sinks: [] } : await archiveImages(ctx, path, drafts);
  const inTurn = makeLimit(1);
  return Promise.allSettled(
    names.map(async (one) => {
      const own = fulfilled(one);
      const named = own.map((each) => images[made.indexOf(each)] as NamedImage);
      return inTurn(() => finish(own, { images: named, sinks }, options));
    }),
  );
}

/** What is made of each name: all of it, or the first failure. */
async function makeNames(
  ctx: BuildContext,
  plans: readonly ImagePlan[],
  options: BakeAllOptions,
): Promise<PromiseSettledResult<Made[]>[]> {
  const settled = await makeAll(ctx, plans, options, async (made) => made);
  const ofPlan = new Map(plans.map((plan, index) => [plan, settled[index] as PromiseSettledResult<Made>]));
  return Promise.allSettled(
    plansByName(plans).map(async (same) =>
      same.map((plan) => fulfilled(ofPlan.get(plan) as PromiseSettledResult<Made>)),
    ),
  );
}

function fulfilled<T>(settled: PromiseSettledResult<T>): T {
  if (settled.status === 'rejected') throw settled.reason;
  return settled.value;
}

function planOf(made: readonly Made[]): ImagePlan {
  return (made[0] as Made).plan;
}

async function finish(made: readonly Made[], archived: Delivered, options: BakeAllOptions): Promise<BakeResult> {
  const [{ ctx, plan }] = made as [Made];
  const { images, sinks } = await sendImages(ctx, archived, made, options);
  const set = imageSet(images);
  for (const [index, { image }] of images.entries()) {
    const own = made[index] as Made;
    await rememberBake(ctx, own.plan.name, own.plan.arch, image.digest);
    await rememberImage(ctx, image);
  }
  const platforms = images.map(({ arch, image }) => ({
    platform: `linux/${arch}`,
    digest: image.digest,
    size: imageSize(image),
  }));
  return {
    name: plan.name,
    reference: plan.references[0] ?? '',
    digest: set.digest,
    size: setSize(set),
    layers: images.flatMap(({ image }) => image.layers.map(({ segments: _, contents: __, ...layer }) => layer)),
    ...(set.index && { platforms }),
    cached: made.every((one) => one.cached()) && sinks.every((sink) => !sink.written),
    sinks,
  };
}
