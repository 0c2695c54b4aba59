import { type Digest, isDigest, type Machine, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import {
  type BakedDisk,
  bakeDisk,
  checkDiskOptions,
  type DiskOptions,
  resolveSubject,
  type Subject,
} from './bake-disk.ts';
import type { BuildContext } from './context.ts';
import type { ImageDefinition } from './definition/schema.ts';
import { hostQemuTool, type QemuTool, rootQemuTool } from './disk/qemu-tool.ts';
import { guessGuestOs } from './guest-os.ts';
import type { NamedImage } from './oci/archive.ts';
import { planAppLayer, planDiskLayer } from './oci/guest-layers.ts';
import { assembleImage, imageSize } from './oci/image.ts';
import { imageLabels } from './oci/labels.ts';
import { digestedLayer, fileLayer, isDigested, type Layer, type LayerName, type LayerPlan } from './oci/layer.ts';
import { publishedRoot } from './oci/published-root.ts';
import { defaultReference, parseReference } from './oci/reference.ts';
import { digestSegments, segmentsKey } from './oci/segments.ts';
import { checkEpoch } from './oci/tar.ts';
import { readRecord, writeRecord } from './records.ts';
import type { LockOptions } from './root/locked-packages.ts';
import { makeRuntimeRoot } from './root/runtime-root.ts';
import { ensureToolRoot, type ToolRoot } from './root/tool-root.ts';
import { writeArchiveFile } from './sink/archive-file.ts';
import { type Engine, loadIntoEngine } from './sink/engine.ts';
import { pushToRegistry } from './sink/registry.ts';
import type { SinkResult } from './sink/sink.ts';
import { sweepWorkFolders } from './work-folder.ts';

export interface BakeOptions extends DiskOptions, LockOptions {
  /** A catalogue name, a path, or an http(s) URL. */
  readonly source: string;
  readonly definitions: readonly ImageDefinition[];
  /** References of the image; the first is its name. Default: `virtainers/<name>`. */
  readonly tags?: readonly string[] | undefined;
  /** What the guest is, where no definition says it or another one is wanted. */
  readonly user?: string | undefined;
  readonly osinfo?: string | undefined;
  readonly firmware?: Machine['firmware'] | undefined;
  readonly ports?: readonly number[] | undefined;
  /** A published virtainer (reference, archive or layout folder) whose runtime root is taken. */
  readonly runtime?: string | undefined;
  readonly output?: string | undefined;
  readonly load?: Engine | undefined;
  readonly push?: string | undefined;
  /** Plain http, or a certificate that nobody vouches for. */
  readonly insecure?: boolean | undefined;
}

export interface BakeResult {
  /** `debian:13-packages`, or the file's name without its ending. */
  readonly name: string;
  readonly reference: string;
  /** Of the manifest. */
  readonly digest: Digest;
  /** Manifest, config and layers, in bytes. */
  readonly size: number;
  readonly layers: readonly { name: LayerName; mediaType: string; digest: Digest; diffID: Digest; size: number }[];
  /** Nothing was made or written. */
  readonly cached: boolean;
  readonly sinks: readonly SinkResult[];
}

/** Cloud image in, OCI image out; then to every sink that was asked for. The same inputs give the same digest. */
export async function bake(ctx: BuildContext, options: BakeOptions): Promise<BakeResult> {
  const mtime = checkEpoch(ctx.sourceDateEpoch);
  const subject = await resolveSubject(options.source, options.definitions);
  checkDiskOptions(subject, options);
  if (subject.kind === 'definition') checkDefinition(ctx, subject.definition);
  await sweepWorkFolders(ctx);
  const watched = watchCache(ctx);
  const { root, baked } = await makeParts(watched.ctx, subject, options);
  const machine = describeMachine(subject, options, baked);
  const references = (options.tags ?? [defaultReference(machine.name)]).map(parseReference);
  const plans = [root, await planDiskLayer(machine, baked.disk, mtime), await planAppLayer(ctx.assetsDir, mtime)];
  const labels = imageLabels(machine, provenance(subject, baked, root, mtime));
  const name = (layers: readonly Layer[]): NamedImage => ({
    image: assembleImage(layers, { arch: machine.arch, created: mtime, labels, ports: machine.ports }),
    references,
    arch: machine.arch,
    mtime,
  });
  const { named, sinks } = await deliver(watched.ctx, await recallDigests(ctx, plans), name, options);
  await writeRecord(ctx, 'bake', machine.name, { digest: named.image.digest });
  return {
    name: machine.name,
    reference: references[0] ?? '',
    digest: named.image.digest,
    size: imageSize(named.image),
    layers: named.image.layers.map(({ segments: _, ...layer }) => layer),
    cached: watched.cached() && sinks.every((sink) => !sink.written),
    sinks,
  };
}

/** The digest of the last image of that name that was baked with this cache. */
export async function lastBaked(ctx: Pick<BuildContext, 'cacheDir'>, name: string): Promise<Digest | undefined> {
  return (await readRecord(ctx, 'bake', name, digestRecord))?.digest;
}

const digestRecord = z.object({ digest: z.custom<Digest>(isDigest) });

/** CAPABILITY_MISSING for a guest that this version cannot boot; a warning for a release that gets no more fixes. */
function checkDefinition({ log }: BuildContext, { name, firmware, endOfLife }: ImageDefinition): void {
  if (!firmware.includes('bios')) {
    throw new VirtainersError('CAPABILITY_MISSING', `${name} boots with UEFI only, which images do not bring yet`);
  }
  if (endOfLife !== undefined && endOfLife < new Date().toISOString().slice(0, 10)) {
    log.warn(`${name} has had no security fixes since ${endOfLife}: \`virtainers catalog\` lists what has`);
  }
}

/** Root and disk are made side by side; when one fails the other is stopped before the failure is told. */
async function makeParts(
  ctx: BuildContext,
  subject: Subject,
  options: BakeOptions,
): Promise<{ root: Layer; baked: BakedDisk }> {
  const stop = new AbortController();
  const signal = ctx.signal ? AbortSignal.any([ctx.signal, stop.signal]) : stop.signal;
  const inner = { ...ctx, signal };
  const tools = once(() => ensureToolRoot(inner, options));
  const stopOthers = (error: unknown) => {
    stop.abort(error);
    throw error;
  };
  const root = makeRoot(inner, tools, options).catch(stopOthers);
  const baked = bakeDisk(
    inner,
    subject,
    { tools, qemu: once(() => findQemu(inner, tools, options)), locks: options },
    options,
  );
  const results = await Promise.allSettled([root, baked.catch(stopOthers)]);
  ctx.signal?.throwIfAborted();
  if (stop.signal.aborted) throw stop.signal.reason as VirtainersError;
  const [first, second] = results;
  if (first.status === 'rejected' || second.status === 'rejected') throw new Error('a part failed without a reason');
  return { root: first.value, baked: second.value };
}

async function makeRoot(ctx: BuildContext, tools: () => Promise<ToolRoot>, options: BakeOptions): Promise<Layer> {
  if (options.runtime !== undefined) return publishedRoot(ctx, options.runtime, { insecure: options.insecure });
  return fileLayer('root', await makeRuntimeRoot(ctx, await tools(), options));
}

/** With a published root nothing is made from packages, and the host's qemu-img will do. */
async function findQemu(ctx: BuildContext, tools: () => Promise<ToolRoot>, options: BakeOptions): Promise<QemuTool> {
  if (options.runtime !== undefined) return hostQemuTool(ctx.exec, ctx.spawn);
  return rootQemuTool(ctx.exec, ctx.spawn, await tools());
}

function describeMachine(subject: Subject, options: BakeOptions, { disk }: BakedDisk): Machine {
  const own =
    subject.kind === 'definition' ? subject.definition : { name: subject.stem, ...guessGuestOs(subject.stem) };
  const known: Partial<Pick<Machine, 'ports' | 'minRamMiB'>> = 'ports' in own ? own : {};
  return {
    formatVersion: 1,
    name: own.name,
    arch: 'amd64',
    osinfo: options.osinfo ?? own.osinfo,
    user: options.user ?? own.user,
    firmware: options.firmware ?? 'bios',
    ports: [...(options.ports ?? known.ports ?? [22])],
    ...(known.minRamMiB === undefined ? {} : { minRamMiB: known.minRamMiB }),
    ...(disk && { disk: { format: 'qcow2', sha256: disk.sha256, size: disk.size, virtualSize: disk.virtualSize } }),
  };
}

function provenance(subject: Subject, baked: BakedDisk, root: Layer, created: number) {
  const { sourceDigest, convertedBy } = baked;
  const common = { created, root: root.diffID, sourceDigest, convertedBy };
  if (subject.kind !== 'definition') {
    return { ...common, title: subject.stem, license: undefined, homepage: undefined, source: subject.label };
  }
  const { title, license, homepage, name } = subject.definition;
  return { ...common, title, license, homepage, source: baked.vendor?.url ?? name, trust: baked.vendor?.trust };
}

/** A plain layer's digest is remembered by what it is made of. */
async function recallDigests(ctx: BuildContext, plans: readonly LayerPlan[]): Promise<LayerPlan[]> {
  return Promise.all(
    plans.map(async (plan) => {
      if (isDigested(plan)) return plan;
      const known = await readRecord(ctx, 'layer', segmentsKey(plan.segments), digestRecord);
      return known ? digestedLayer(plan, known.digest) : plan;
    }),
  );
}

/** Writing an archive finds out the digests that are missing; without one the layers are read for them. */
async function deliver(
  ctx: BuildContext,
  plans: readonly LayerPlan[],
  name: (layers: readonly Layer[]) => NamedImage,
  { output, load, push, insecure }: BakeOptions,
): Promise<{ named: NamedImage; sinks: SinkResult[] }> {
  const sinks: SinkResult[] = [];
  let layers: readonly Layer[];
  if (output === undefined) layers = await digestLayers(ctx, plans);
  else {
    const written = await writeArchiveFile(ctx, output, plans, name);
    layers = written.layers;
    sinks.push(written.result);
  }
  await rememberDigests(ctx, plans, layers);
  const named = name(layers);
  if (load !== undefined) sinks.push(await loadIntoEngine(ctx, load, named));
  if (push !== undefined) sinks.push(await pushToRegistry(ctx, push, named, { insecure }));
  return { named, sinks };
}

async function digestLayers(ctx: BuildContext, plans: readonly LayerPlan[]): Promise<Layer[]> {
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

async function rememberDigests(
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

/** Sees on its way to the caller whether anything had to be made. */
function watchCache(ctx: BuildContext): { ctx: BuildContext; cached: () => boolean } {
  let made = false;
  const onEvent: BuildContext['onEvent'] = (event) => {
    if (event.type === 'end' && !event.cached) made = true;
    ctx.onEvent(event);
  };
  return { ctx: { ...ctx, onEvent }, cached: () => !made };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
