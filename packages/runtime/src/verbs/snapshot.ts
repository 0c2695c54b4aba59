import { readFile } from 'node:fs/promises';
import {
  type Answer,
  changingSnapshots,
  formatSize,
  freeBytes,
  listSnapshots,
  nameOfPresent,
  readSidecar,
  requireFreeName,
  requireSnapshot,
  type Snapshot,
  statePaths,
  VirtainersError,
  writeSidecar,
} from '@virtainers/core';
import { z } from 'zod';
import { own } from '../disk/data-folder.ts';
import { type Drive, driveOf, readDrives } from '../domain/drives.ts';
import { whileFrozen } from '../domain/freeze.ts';
import { endJobs } from '../domain/jobs.ts';
import { deleteSnapshot, loadSnapshot, saveDisk, saveSnapshot } from '../domain/live-snapshot.ts';
import { memoryNeeds, requireFit } from '../domain/memory-needs.ts';
import { whyNotSaved } from '../lifecycle/shares.ts';
import { setClock } from '../lifecycle/wake.ts';
import { type LiveMachine, type MachineDeps, withMachine } from './machine.ts';

/** What is asked for: a verb, a name, and one option that some have. */
interface Wish {
  readonly verb: string;
  readonly name: string;
  readonly option: string | undefined;
}

interface Work extends LiveMachine {
  readonly deps: MachineDeps;
  readonly drives: readonly Drive[];
  /** The overlay's. */
  readonly node: string;
  readonly snapshots: readonly Snapshot[];
}

type Changed = Extract<Answer, { kind: 'changed' }>;

const VERBS: Readonly<Record<string, (work: Work, wish: Wish) => Promise<Changed>>> = { create, restore, rm: remove };

/** `ls`, `create NAME [--disk-only]`, `restore NAME [--discard]` or `rm NAME`, of the running guest. */
export function snapshotMachine(
  deps: MachineDeps,
  [verb = 'ls', name = '', option]: readonly string[],
): Promise<number> {
  return withMachine(deps, async (machine) => {
    const { virsh, paths } = machine;
    await endJobs(virsh);
    const snapshots = await listSnapshots(deps.exec, paths.overlay, true);
    if (verb === 'ls') return deps.answer({ kind: 'snapshots', snapshots });
    const change = VERBS[verb];
    if (!change) throw new VirtainersError('ARGUMENTS_BAD', `snapshot ${verb}: expected ls, create, restore or rm`);
    const drives = await readDrives(virsh);
    const work = { ...machine, deps, drives, node: driveOf(drives, paths.overlay).node, snapshots };
    deps.answer(await change(work, { verb, name, option }));
  });
}

async function create(work: Work, { name, option }: Wish): Promise<Changed> {
  requireFreeName(work.snapshots, name);
  const kept = option === '--disk-only' ? await keepDisk(work, name) : { paused: await keepMemory(work, name) };
  return { kind: 'changed', snapshot: await find(work, name), ...kept };
}

async function keepDisk(
  { deps, virsh, paths, node }: Work,
  name: string,
): Promise<{ paused: number; frozen: boolean }> {
  let frozen = false;
  const paused = await timed(() =>
    changingSnapshots(paths, async () => {
      ({ frozen } = await whileFrozen(deps.spawn, virsh, () => saveDisk(virsh, node, name)));
    }),
  );
  return { paused, frozen };
}

async function keepMemory(work: Work, name: string): Promise<number> {
  const { deps, virsh, paths, node } = work;
  requireAlone(work, DISK_ONLY);
  await requireRoom(work);
  // What has not reached the disk is in the memory; a restore of the disk alone finds it too.
  await whileFrozen(deps.spawn, virsh, async () => undefined);
  await noteNeeds(work, name);
  return timed(() => changingSnapshots(paths, () => saveSnapshot(virsh, node, name)).catch(suggestDisk));
}

/** Before the memory is kept: a note of too much harms nobody. While the guest runs nobody else writes the sidecar. */
async function noteNeeds({ paths, users, snapshots, ...work }: Work, name: string): Promise<void> {
  const sidecar = await readSidecar(paths.sidecar);
  if (!sidecar) return;
  const names = new Set(snapshots.map((each) => each.name));
  const others = Object.entries(sidecar.memories ?? {}).filter(([each]) => names.has(each));
  const memories = { ...Object.fromEntries(others), [name]: await presentNeeds({ ...work, paths }) };
  await writeSidecar(paths.sidecar, { ...sidecar, memories });
  await own(paths.sidecar, paths.folder, users);
}

async function presentNeeds({ virsh, paths }: Pick<Work, 'virsh' | 'paths'>) {
  return memoryNeeds(virsh, paths, await readFile('/proc/cpuinfo', 'utf8'));
}

/** Some devices cannot be kept: what was passed through. */
function suggestDisk(error: unknown): never {
  if (!(error instanceof VirtainersError)) throw error;
  throw new VirtainersError(error.code, error.message, { hint: DISK_ONLY, cause: error });
}

const DISK_ONLY = 'make one of the disk alone: --disk-only';

const STOP_FIRST =
  'stop the container, restore the snapshot, and start it again: the guest boots from the disk as it was';

async function restore(work: Work, { name, option }: Wish): Promise<Changed> {
  const { virsh, paths, node, snapshots } = work;
  const snapshot = requireSnapshot(snapshots, name);
  if (snapshot.memory === 0) {
    throw new VirtainersError('ARGUMENTS_BAD', `restoring ${name}: it is of the disk alone, and the guest is running`, {
      hint: STOP_FIRST,
    });
  }
  requireAlone(work, STOP_FIRST);
  requireFit(name, (await readSidecar(paths.sidecar))?.memories?.[name], await presentNeeds(work));
  const kept = option === '--discard' ? undefined : nameOfPresent(snapshots, name);
  if (kept !== undefined) await keepMemory(work, kept);
  const paused = await timed(async () => {
    try {
      await changingSnapshots(paths, () => loadSnapshot(virsh, node, name));
    } finally {
      await virsh.resume();
    }
  });
  await setClock(virsh.agent, Date.now);
  return { kind: 'changed', snapshot, paused, ...(kept === undefined ? {} : { kept }) };
}

async function remove({ virsh, paths, node, snapshots }: Work, { name }: Wish): Promise<Changed> {
  const snapshot = requireSnapshot(snapshots, name);
  await changingSnapshots(paths, () => deleteSnapshot(virsh, node, name));
  return { kind: 'changed', snapshot };
}

async function find({ deps, paths }: Work, name: string): Promise<Snapshot> {
  return requireSnapshot(await listSnapshots(deps.exec, paths.overlay, true), name);
}

/**
 * Memory remembers what is in every disk and folder: one that stays as it is while the memory goes back would be ruined, or
 * ruin the guest.
 */
function requireAlone({ drives, node, paths, shares, disks }: Work, hint: string): void {
  const shared = whyNotSaved({ shares });
  if (shared) {
    throw new VirtainersError('ARGUMENTS_BAD', `keeping or restoring the guest's memory: ${shared}`, { hint });
  }
  const known = disks.flatMap((disk) => (disk.readonly ? [] : disk.from));
  const state = statePaths(paths);
  const others = drives.filter((each) => !each.readonly && each.node !== node && !state.includes(each.file));
  if (others.length === 0) return;
  // By what the person called them, if there are not more: QEMU's words for a disk on a network may hold how it logs in.
  const names = known.length >= others.length ? known : others.map(({ file }) => file);
  throw new VirtainersError(
    'ARGUMENTS_BAD',
    `keeping or restoring the guest's memory: it also writes ${names.join(', ')}, which no snapshot holds`,
    { hint },
  );
}

/** QEMU, qapi/machine.json, MemoryInfo. */
const memorySchema = z.object({ 'base-memory': z.number() });

async function requireRoom({ virsh, paths }: Work): Promise<void> {
  const { 'base-memory': memory } = memorySchema.parse(await virsh.qmp('query-memory-size-summary'));
  const free = await freeBytes(paths.folder);
  if (memory <= free) return;
  throw new VirtainersError(
    'DISK_FULL',
    `keeping the guest's memory: it takes up to ${formatSize(memory)} in the data folder, where ${formatSize(free)} are free`,
    { hint: 'free some room, or make a snapshot of the disk alone: --disk-only' },
  );
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return Math.round(performance.now() - start);
}
