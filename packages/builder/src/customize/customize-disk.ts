import { createWriteStream } from 'node:fs';
import { chown, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Digest, digestFile, formatSize, IN_IMAGE, type Machine, QEMU_GID, QEMU_UID } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { convertChain, verifyDisk } from '../disk/convert.ts';
import { inspectDisk } from '../disk/inspect.ts';
import type { PackageDisk } from '../disk/package-disk.ts';
import type { QemuTool } from '../disk/qemu-tool.ts';
import { planAppLayer } from '../oci/guest-layers.ts';
import type { Layer, LayerPlan } from '../oci/layer.ts';
import { segmentsKey, streamSegments } from '../oci/segments.ts';
import { setsOf } from '../package-set.ts';
import { cachedFolder, cacheKey } from '../root/content-cache.ts';
import { bootOnce, PAYLOAD, portArguments, reportPath } from './boot.ts';
import { type GuestInputs, planGuestInputs } from './payload.ts';
import { kvmGroup, type SandboxPlan } from './sandbox.ts';
import { unpackLayer, unpackRoot } from './unpacked.ts';
import type { Customization } from './wish.ts';

/** Raise it when what is done with the disk changes and none of the keys below says so. */
const RECIPE = 1;
const MIN_RAM_MIB = 1024;
const MAX_CPUS = 2;

export interface CustomizeRoom {
  /** The runtime root of the image and its features: the disk is booted as it will be run. */
  readonly layers: readonly Layer[];
  readonly qemu: QemuTool;
  /** What is in the disk. */
  readonly machine: Omit<Machine, 'disk'>;
  /** Of `wish`. */
  readonly digest: Digest;
}

/**
 * A disk that was booted once, was given what `wish` says and forgot that boot. Made once for its inputs: disk, wish, runtime.
 * SANDBOX_UNAVAILABLE, CUSTOMIZE_FAILED.
 */
export async function customizeDisk(
  ctx: BuildContext,
  disk: PackageDisk,
  wish: Customization,
  room: CustomizeRoom,
): Promise<PackageDisk> {
  const scripts = join(ctx.assetsDir, 'guest');
  const app = await planAppLayer(ctx.assetsDir, ctx.sourceDateEpoch);
  const guest = await planGuestInputs(wish, scripts, ctx.env);
  const key = cacheKey({
    recipe: RECIPE,
    disk: disk.sha256,
    virtualSize: disk.virtualSize,
    wish: room.digest,
    scripts: await scriptsKey(scripts),
    layers: room.layers.map(({ diffID }) => diffID),
    app: segmentsKey(app.segments),
    qemu: room.qemu.identity,
  });
  const { name } = room.machine;
  const step = showStep(ctx, `customizing ${name}`);
  try {
    const made = await cachedFolder(ctx, 'disks', key, `customized ${name}`, (folder) =>
      makeDisk(ctx, { disk, room, app, guest, scripts, folder, onStep: step.show }),
    );
    step.end(`${formatSize(made.result.size)}, ${formatSize(made.result.virtualSize)} to the guest`, made.cached);
    const madeFrom = setsOf(disk.contents, ...(disk.madeFrom ?? []));
    return { ...made.result, path: join(made.folder, 'disk.qcow2'), madeFrom };
  } finally {
    step.stop();
  }
}

interface Making {
  readonly disk: PackageDisk;
  readonly room: CustomizeRoom;
  readonly app: LayerPlan;
  readonly guest: GuestInputs;
  readonly scripts: string;
  readonly folder: string;
  readonly onStep: (step: string) => void;
}

async function makeDisk(ctx: BuildContext, making: Making): Promise<Omit<PackageDisk, 'path'>> {
  const { disk, room, folder, onStep } = making;
  const { name } = room.machine;
  const work = join(folder, 'work');
  const plan = await prepareSandbox(ctx, making, work);
  const report = await bootOnce(ctx, plan, name, onStep);
  for (const warning of report.warnings) ctx.log.warn(`customizing ${name}: ${warning}\n${report.tail}`);
  onStep('one disk of two');
  const path = join(folder, 'disk.qcow2');
  const chain = [join(work, 'mounted/local_image.qcow2'), disk.path];
  await convertChain(room.qemu, chain, path, { signal: ctx.signal });
  await rm(work, { recursive: true });
  const facts = await inspectDisk(path, disk.virtualSize, name);
  await verifyDisk(room.qemu, path, facts, name, ctx.signal);
  return { sha256: await digestFile(path), size: (await stat(path)).size, virtualSize: facts.virtualSize };
}

/** Everything that the sandbox shows, in the folder `work`. */
async function prepareSandbox(ctx: BuildContext, making: Making, work: string): Promise<SandboxPlan> {
  const { disk, room, app, guest, scripts } = making;
  const asRoot = (await stat('/proc/self')).uid === 0;
  const root = await unpackRoot(ctx, room.layers);
  await mkdir(work, { mode: 0o755 });
  await unpackLayer(ctx, app, join(work, 'app'));
  const { sha256, size, virtualSize } = disk;
  const machine: Machine = { ...room.machine, disk: { format: 'qcow2', sha256, size, virtualSize } };
  await writeFile(join(work, 'machine.json'), JSON.stringify(machine));
  const owned = ['tmp', 'mounted'].map((name) => join(work, name));
  for (const folder of owned) await mkdir(folder, { mode: 0o700 });
  await writeInputs(guest, join(work, 'tmp'));
  const report = reportPath(work);
  await writeFile(report, '');
  if (asRoot) for (const path of [...owned, report]) await chown(path, QEMU_UID, QEMU_GID);
  return {
    ...{ script: join(scripts, 'sandbox'), root, app: join(work, 'app', IN_IMAGE.app), disk: disk.path, work, asRoot },
    kvmGroup: await kvmGroup(),
    settings: {
      RAM: String(Math.max(MIN_RAM_MIB, room.machine.minRamMiB ?? 0)),
      CPU: String(Math.min(MAX_CPUS, availableParallelism())),
      NETWORK_MODE: 'user',
      PORTS: 'none',
    },
    arguments: portArguments(),
  };
}

/** They hold no secret but a proxy's, and the folder is closed to others. */
async function writeInputs({ payload, userData, metaData }: GuestInputs, folder: string): Promise<void> {
  await pipeline(streamSegments(payload), createWriteStream(join(folder, PAYLOAD)));
  await writeFile(join(folder, 'user-data'), userData);
  await writeFile(join(folder, 'meta-data'), metaData);
}

async function scriptsKey(folder: string): Promise<Digest> {
  const names = ['clean', 'customize', 'sandbox', 'user-data.hbs'];
  const contents = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return cacheKey(contents);
}

/** What goes on and for how long, each second: a guest says when it is done, not how much is left. */
function showStep(ctx: BuildContext, title: string) {
  const step = 'customize';
  const began = performance.now();
  let now = '';
  const seconds = () => Math.round((performance.now() - began) / 1000);
  const note = () => ctx.onEvent({ type: 'note', step, text: `${formatTime(seconds())}  ${now}` });
  ctx.onEvent({ type: 'start', step, title });
  const ticking = setInterval(note, 1000);
  return {
    show: (text: string) => {
      now = text;
      note();
    },
    end: (text: string, cached: boolean) =>
      ctx.onEvent({ type: 'end', step, note: cached ? text : `${text}, in ${formatTime(seconds())}`, cached }),
    stop: () => clearInterval(ticking),
  };
}

/** `75` -> `1:15`. */
function formatTime(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
