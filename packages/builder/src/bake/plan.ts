import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Architecture, VirtainersError } from '@virtainers/core';
import { checkDiskOptions, resolveSubject, type Subject } from '../bake-disk.ts';
import { findFeatures, neededFeatures } from '../bake-features.ts';
import type { BuildContext } from '../context.ts';
import { type Customization, readCustomization } from '../customize/wish.ts';
import type { For } from '../definition/architectures.ts';
import { loadDefinitions } from '../definition/load.ts';
import type { FeatureDefinition, ImageDefinition } from '../definition/schema.ts';
import { chooseFirmware, type Firmware } from '../firmware.ts';
import { guessArchitecture } from '../guest-os.ts';
import { checkOwnLabels } from '../oci/labels.ts';
import { defaultReference, fillReference, parseReference } from '../oci/reference.ts';
import { ATTESTATIONS, type AttestationKind } from '../supply/attestation.ts';
import type { BakeAllOptions, CommonOptions, ImageOptions } from './options.ts';

/** An image before anything is made: what it is made from, what it is called, where it goes. */
export interface ImagePlan {
  readonly source: string;
  readonly subject: Subject;
  /** `debian:13-packages`, or the file's name without its ending. */
  readonly name: string;
  /** What the guest is made for. */
  readonly arch: Architecture;
  /** What its container is made for. */
  readonly platform: Architecture;
  readonly firmware: Firmware;
  readonly features: readonly For<FeatureDefinition>[];
  /** What the disk is given by booting it once. */
  readonly customization: Customization | undefined;
  readonly references: readonly string[];
  readonly push: string | undefined;
  /** Files that documents about the image are written to. */
  readonly documents: readonly (readonly [AttestationKind, string])[];
  readonly options: ImageOptions;
}

const KINDS = Object.keys(ATTESTATIONS) as AttestationKind[];

/** Where archives go: every image its own, or one with all of them. */
export type OutputPlan =
  | { readonly kind: 'each'; readonly path: (plan: ImagePlan) => string }
  | { readonly kind: 'all'; readonly path: () => string };

/** Every image of a call; all that is wrong with what was asked is said at once. IMAGE_UNKNOWN, ARGUMENTS_BAD. */
export async function planImages(ctx: BuildContext, { images, ...common }: BakeAllOptions): Promise<ImagePlan[]> {
  const definitions = common.definitions ?? (await loadDefinitions(join(ctx.assetsDir, 'images')));
  const planned = await Promise.allSettled(images.map((options) => planImage(ctx, options, definitions)));
  const problems = planned.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  if (problems.length > 0) throw together(problems);
  const plans = planned.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  checkDistinct(plans, ({ references }) => references);
  checkDistinct(plans, ({ push }) => (push === undefined ? [] : [push]));
  checkDistinct(
    plans,
    ({ documents }) => documents.map(([, path]) => path),
    () => false,
  );
  return plans;
}

/** A folder, unless one image is asked for or the name says that it is an archive. */
export async function planOutput(
  { output }: CommonOptions,
  plans: readonly ImagePlan[],
): Promise<OutputPlan | undefined> {
  if (output === undefined) return undefined;
  if (plans.length === 1) return { kind: 'each', path: () => output };
  const isFolder = (await stat(output).catch(() => undefined))?.isDirectory() ?? false;
  if (output.endsWith('.tar') && !isFolder) return { kind: 'all', path: () => output };
  const fileName = (plan: ImagePlan) => `${(plan.references[0] ?? '').replace(/^virtainers\//, '')}.tar`;
  return { kind: 'each', path: (plan) => join(resolve(output), fileName(plan).replaceAll(/[/:]/g, '-')) };
}

async function planImage(
  ctx: BuildContext,
  options: ImageOptions,
  definitions: readonly ImageDefinition[],
): Promise<ImagePlan> {
  const { source } = options;
  const subject = await resolveSubject(source, definitions);
  checkDiskOptions(subject, options);
  const arch = options.arch ?? (subject.kind === 'definition' ? 'amd64' : guessArchitecture(subject.stem));
  checkOwnLabels(options.labels ?? {});
  if (subject.kind === 'definition') checkDefinition(ctx, subject.definition);
  const firmware = chooseFirmware(subject, arch, options.firmware);
  const platform = options.platform ?? arch;
  const wanted = [...(options.features ?? []), ...neededFeatures({ arch, ...firmware }, platform)];
  const features = await findFeatures(ctx, wanted, platform);
  const customization = await readCustomization(options);
  const name = subject.kind === 'definition' ? subject.definition.name : subject.stem;
  const usual = defaultReference(name);
  const reference = (text: string) => parseReference(fillReference(text, usual));
  const references = (options.tags ?? [usual]).map(reference);
  const documents = KINDS.flatMap((kind) => {
    const path = options[kind];
    return path === undefined ? [] : [[kind, fillReference(path, usual)] as const];
  });
  const push = options.push === undefined ? undefined : reference(options.push);
  return {
    source,
    subject,
    name,
    arch,
    platform,
    firmware,
    features,
    customization,
    references,
    push,
    documents,
    options,
  };
}

/** A warning for a release that gets no more fixes. */
function checkDefinition({ log }: BuildContext, { name, endOfLife }: ImageDefinition): void {
  if (endOfLife !== undefined && endOfLife < new Date().toISOString().slice(0, 10)) {
    log.warn(`${name} has had no security fixes since ${endOfLife}: \`virtainers catalog\` lists what has`);
  }
}

function together(problems: readonly unknown[]): unknown {
  const [first, ...others] = problems;
  const known = problems.filter((problem) => problem instanceof VirtainersError);
  if (others.length === 0 || known.length < problems.length) return first;
  const hints = [...new Set(known.flatMap(({ hint }) => hint ?? []))].join('; ');
  const message = known.map((problem) => problem.message).join('\n');
  return new VirtainersError((known[0] as VirtainersError).code, message, { hint: hints || undefined });
}

/** Plans of one name, in the order given: the same image for several platforms. */
export function plansByName(plans: readonly ImagePlan[]): [ImagePlan, ...ImagePlan[]][] {
  const names = new Map<string, [ImagePlan, ...ImagePlan[]]>();
  for (const plan of plans) {
    const name = plan.references[0] ?? plan.source;
    const known = names.get(name);
    if (known) known.push(plan);
    else names.set(name, [plan]);
  }
  return [...names.values()];
}

/** Under one index. */
function areOne(one: ImagePlan, other: ImagePlan): boolean {
  return one.source === other.source && one.platform !== other.platform;
}

/** The later image would take the name of the earlier one. */
function checkDistinct(
  plans: readonly ImagePlan[],
  namesOf: (plan: ImagePlan) => readonly string[],
  mayShare: (one: ImagePlan, other: ImagePlan) => boolean = areOne,
): void {
  const owners = new Map<string, ImagePlan>();
  for (const plan of plans) {
    for (const reference of namesOf(plan)) {
      const other = owners.get(reference);
      if (other && other !== plan && !mayShare(other, plan)) throw sameName(reference, other, plan);
      owners.set(reference, plan);
    }
  }
}

function sameName(reference: string, first: ImagePlan, second: ImagePlan): VirtainersError {
  return new VirtainersError('ARGUMENTS_BAD', `${first.source} and ${second.source} would both be ${reference}`, {
    hint: 'bake them one at a time, or put {name} or {tag} into the reference',
  });
}
