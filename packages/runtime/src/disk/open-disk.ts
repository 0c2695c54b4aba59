import { isDeepStrictEqual } from 'node:util';
import {
  bindOverlay,
  type ChainLink,
  type DataLock,
  type DataPaths,
  type Digest,
  type DiskFile,
  dataPaths,
  type Exec,
  formatSize,
  isAccessible,
  type Log,
  lockFile,
  macAt,
  readSidecar,
  type Sidecar,
  type Spawn,
  saysDiskFull,
  settleSnapshots,
  VirtainersError,
  writeSidecar,
} from '@virtainers/core';
import { isPersistent } from '../container/mountinfo.ts';
import type { BaseDisk } from './base-disk.ts';
import { openToQemu, own, prepareFolder, removeLeftovers, requireWritable, type Users } from './data-folder.ts';
import { handOver } from './hand-over.ts';
import { readImageChain } from './image-chain.ts';
import { describeMachine, finishMaking, makeMachine } from './make-machine.ts';
import { COPIED, inodeOf, isCopyOfRunning, mendOverlay } from './mend-overlay.ts';
import { growOverlay, readOverlay } from './overlay.ts';
import { type OverlayPlan, planOverlay } from './overlay-plan.ts';

export interface OpenDiskOptions extends Users {
  readonly imageDir: string;
  /** Undefined: the image has no disk and none is mounted; only an overlay that stands alone will do. */
  readonly base: BaseDisk | undefined;
  /** Bytes. */
  readonly diskSize: number | undefined;
  readonly reference: string | undefined;
  /** Of the image's layers. */
  readonly diffIDs?: readonly Digest[] | undefined;
  /** Who we are, for whoever finds the folder locked: the container's host name. */
  readonly holder: string;
  /** The text of /proc/self/mountinfo. */
  readonly mountinfo: string;
  readonly log: Log;
  /** Called between the steps, with the name of the one that is done. */
  readonly onStep?: ((step: string) => void | Promise<void>) | undefined;
}

/** What a start of this data folder may remember for the next. */
interface Facts {
  readonly instanceId?: string;
  readonly generatedPassword?: string;
  /** The snapshot whose memory the next start resumes. */
  readonly resume?: string | undefined;
  /** What the memory of each snapshot depends on. */
  readonly memories?: Sidecar['memories'];
}

export interface OpenDisk extends Facts {
  /** The qcow2 that the guest writes. */
  readonly overlay: string;
  /** Bytes. */
  readonly virtualSize: number;
  /** It was made just now. */
  readonly created: boolean;
  /** Of the domain. */
  readonly uuid: string;
  readonly volumeId: string;
  /** Stable for the folder's life. */
  readonly macs: readonly string[];
  macAt(index: number): string;
  /** What lies under the overlay, from the top, to be given to libvirt explicitly. */
  readonly backing: readonly DiskFile[];
  readonly base: { readonly sha256: Digest; readonly size: number; readonly virtualSize: number } | undefined;
  /** Digests of all that it lies on, from the base. */
  readonly digests: readonly Digest[];
  /** The folder outlives the container. */
  readonly persistent: boolean;
  readonly warnings: readonly string[];
  /** Writes facts into the sidecar. */
  remember(facts: Facts): Promise<void>;
  /** Gives what the machine's programs made in the folder to the folder's owner; release() does it too. */
  handOver(): Promise<void>;
  /** Resolves when the lock is gone before release(). */
  readonly lockLost: Promise<void>;
  release(): Promise<void>;
}

/**
 * Opens the data folder for one virtual machine: locks it, checks its overlay against the base, makes or grows the
 * overlay. Nothing but the lock file is written before every check has passed. Killed between any two steps, the next
 * call finds a folder that it can open. Throws DATA_UNWRITABLE, DISK_FULL, DATA_IN_USE, BASE_MISMATCH, DISK_REFUSED, CONFIG_INVALID.
 */
export async function openDisk(exec: Exec, spawn: Spawn, options: OpenDiskOptions): Promise<OpenDisk> {
  const paths = dataPaths(options.imageDir);
  await prepareFolder(paths);
  const lock = await lockFile(spawn, paths.lock, options.holder);
  try {
    return await openLocked(exec, options, paths, lock);
  } catch (error) {
    await lock.release();
    throw nameFullFolder(error, paths.folder);
  }
}

function nameFullFolder(error: unknown, folder: string): unknown {
  if (!saysDiskFull(error)) return error;
  return new VirtainersError('DISK_FULL', `writing to the data folder ${folder}: no room left`, {
    hint: 'make room on the file system (or in the quota) that the volume is on; the disk in it is as it was',
    cause: error,
  });
}

async function openLocked(exec: Exec, options: OpenDiskOptions, paths: DataPaths, lock: DataLock): Promise<OpenDisk> {
  const header = await readOverlay(paths.overlay);
  if (header?.boundTo) await finishMaking(paths);
  const sidecar = await readSidecar(paths.sidecar);
  const chain = await readImageChain(exec, options.base, sidecar, options);
  const plan = planOverlay({ path: paths.overlay, header, sidecar, chain, diskSize: options.diskSize });
  await options.onStep?.('checked');
  const memory = await removeLeftovers(paths, new Date());
  if (memory) options.log.warn(`saved memory to which nothing says what it belongs is put aside as ${memory}`);
  const copied = plan.action === 'use' && (await isCopyOfRunning(paths.overlay, lock.left));
  // Of a copy nobody can tell what is wrong with it: nothing is repaired.
  if (plan.action === 'use' && !copied && (await settleSnapshots(exec, paths))) {
    options.log.warn(`${paths.overlay}: a change of its snapshots was interrupted; the disk was checked`);
  }
  if (plan.action === 'use') await mendOverlay(exec, paths.overlay, copied, options.log);
  if (options.asRoot) await openToQemu(exec, paths.folder, options, options.log);
  await own(paths.lock, paths.folder, options);
  // The overlay's own words for the chain may be others than where it lies here and now.
  const backing = plan.chain.length === 0 ? [] : chain.map(({ path, format }) => ({ path, format })).reverse();
  const kept =
    plan.action === 'create'
      ? await makeMachine(exec, plan, backing, paths, options)
      : await keepMachine(exec, plan, sidecar, backing, paths, options);
  if (header && header.boundTo === undefined) await bindOlder(paths, plan.chain);
  await options.onStep?.('overlay');
  await requireWritable(exec, paths.overlay, options);
  await lock.running(await inodeOf(paths.overlay));
  const warnings = copied ? [...plan.warnings, COPIED] : plan.warnings;
  return describe({ ...plan, warnings }, backing, kept, lock, paths, options);
}

/** The sidecar and the size that the overlay is to have. */
async function keepMachine(
  exec: Exec,
  plan: Extract<OverlayPlan, { action: 'use' }>,
  sidecar: Sidecar | undefined,
  backing: readonly DiskFile[],
  paths: DataPaths,
  options: OpenDiskOptions,
): Promise<Sidecar> {
  const next = describeMachine(sidecar, plan.chain, options);
  if (!isDeepStrictEqual(next, sidecar)) await writeSidecar(paths.sidecar, next);
  await own(paths.sidecar, paths.folder, options);
  await options.onStep?.('sidecar');
  await own(paths.overlay, paths.folder, options);
  if (plan.growTo !== undefined) {
    await growOverlay(exec, paths.overlay, backing, plan.growTo);
    options.log.info(`the disk is grown to ${formatSize(plan.growTo)}: ${GROWN_BY}`);
  }
  return next;
}

/** An overlay that was made before they were bound. Memory that is saved fits the file as it is: then it waits for the next start. */
async function bindOlder(paths: DataPaths, chain: readonly ChainLink[]): Promise<void> {
  if (!(await isAccessible(paths.memoryRecord))) await bindOverlay(paths.overlay, chain);
}

const GROWN_BY =
  "the guest's cloud-init grows its partition and file system at this boot; where there is none, do it there";

function describe(
  plan: OverlayPlan,
  backing: readonly DiskFile[],
  sidecar: Sidecar,
  lock: DataLock,
  paths: DataPaths,
  options: OpenDiskOptions,
): OpenDisk {
  let current = sidecar;
  return {
    overlay: paths.overlay,
    virtualSize: plan.size,
    created: plan.action === 'create',
    uuid: sidecar.uuid,
    volumeId: sidecar.volumeId,
    macs: sidecar.macs,
    macAt: (index) => macAt(sidecar, index),
    backing,
    base: plan.chain[0] && identity(plan.chain[0]),
    digests: plan.chain.map(({ sha256 }) => sha256),
    persistent: isPersistent(options.mountinfo, paths.folder),
    warnings: plan.warnings,
    ...(sidecar.instanceId === undefined ? {} : { instanceId: sidecar.instanceId }),
    ...(sidecar.generatedPassword === undefined ? {} : { generatedPassword: sidecar.generatedPassword }),
    ...(sidecar.resume === undefined ? {} : { resume: sidecar.resume, memories: sidecar.memories }),
    remember: async (facts) => {
      const next = { ...current, ...facts };
      // A machine that is kept starts without writing here, on a full disk too.
      if (isDeepStrictEqual(next, current)) return;
      current = next;
      await writeSidecar(paths.sidecar, current).catch((error: unknown) => {
        throw nameFullFolder(error, paths.folder);
      });
      await own(paths.sidecar, paths.folder, options);
    },
    lockLost: lock.lost,
    handOver: () => handOver(paths.folder, options),
    release: async () => {
      try {
        await handOver(paths.folder, options);
      } finally {
        await lock.release();
      }
    },
  };
}

function identity({ sha256, size, virtualSize }: ChainLink): { sha256: Digest; size: number; virtualSize: number } {
  return { sha256, size, virtualSize };
}
