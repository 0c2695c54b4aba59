import {
  changeSnapshot,
  changingSnapshots,
  type DataPaths,
  keepingMemory,
  listSnapshots,
  nameOfMoment,
  nameOfPresent,
  requireFreeName,
  requireSnapshot,
  type Snapshot,
  VirtainersError,
} from '@virtainers/core';
import type { HostContext } from '../context.ts';
import type { FoundContainer } from '../engine/container.ts';
import type { EngineName } from '../engine/engine.ts';
import { askMachine } from '../live/ask-machine.ts';
import { type OpenDataFolder, rewriteSidecar, withLockedFolder } from './data-folder.ts';
import { type DataPlace, findData } from './find-data.ts';

export interface SnapshotWords {
  /** A container, running or not, or a data folder. */
  readonly source: string;
  readonly engine?: EngineName | undefined;
}

export interface ChangedSnapshot {
  readonly snapshot: Snapshot;
  /** What the state before a restore was kept as. */
  readonly kept?: string | undefined;
  /** How long the guest stood still, in ms; undefined where it did not run. */
  readonly paused?: number | undefined;
  /** Of the disk alone, of a running guest: false where its file systems could not be frozen, and it is as after a power cut. */
  readonly frozen?: boolean | undefined;
}

/** The oldest first. */
export async function showSnapshots(context: HostContext, words: SnapshotWords): Promise<Snapshot[]> {
  return listAt(context, await findData(context, words.source, words.engine));
}

async function listAt(context: HostContext, place: DataPlace): Promise<Snapshot[]> {
  if (place.kind === 'running') {
    const { answer, end } = await askMachine(context, place.container, ['snapshot', 'ls'], 'snapshots');
    await end();
    return answer.snapshots;
  }
  return inFolder(context, place, ({ paths }) => listSnapshots(context.exec, paths.overlay));
}

/** Keeps the disk as it is now, and the memory of a guest that runs. What requireFreeName and askMachine throw. */
export async function createSnapshot(
  context: HostContext,
  {
    name = nameOfMoment(new Date()),
    diskOnly,
    ...words
  }: SnapshotWords & { name?: string | undefined; diskOnly: boolean },
): Promise<ChangedSnapshot> {
  const place = await findData(context, words.source, words.engine);
  if (place.kind === 'running')
    return change(context, place.container, ['create', name, ...(diskOnly ? ['--disk-only'] : [])]);
  return inFolder(context, place, async ({ paths }) => {
    requireFreeName(await listSnapshots(context.exec, paths.overlay), name);
    await changeKeeping(context, paths, 'create', name);
    return { snapshot: requireSnapshot(await listSnapshots(context.exec, paths.overlay), name) };
  });
}

/**
 * Puts a snapshot in the place of the present state, which is kept as a snapshot itself unless it shall be discarded. A running
 * guest goes on from its memory at once, a stopped one at its next start. What requireSnapshot and askMachine throw.
 */
export async function restoreSnapshot(
  context: HostContext,
  { name, discard, ...words }: SnapshotWords & { name: string; discard: boolean },
): Promise<ChangedSnapshot> {
  const place = await findData(context, words.source, words.engine);
  if (place.kind === 'running')
    return change(context, place.container, ['restore', name, ...(discard ? ['--discard'] : [])]);
  return inFolder(context, place, async ({ paths, sidecar }) => {
    const snapshots = await listSnapshots(context.exec, paths.overlay);
    const snapshot = requireSnapshot(snapshots, name);
    const kept = discard ? undefined : nameOfPresent(snapshots, name);
    // Taken away before the disk goes back, written after it: a memory must never meet another disk.
    const { resume: _, ...others } = sidecar;
    await rewriteSidecar(paths, others);
    await changingSnapshots(paths, async () => {
      if (kept !== undefined) await changeSnapshot(context.exec, paths, 'create', kept);
      await changeSnapshot(context.exec, paths, 'restore', name);
    });
    if (snapshot.memory > 0) await rewriteSidecar(paths, { ...others, resume: name });
    return { snapshot, ...(kept === undefined ? {} : { kept }) };
  });
}

/** All are there, or none is removed. SNAPSHOT_UNKNOWN. */
export async function removeSnapshots(
  context: HostContext,
  { names, ...words }: SnapshotWords & { names: readonly string[] },
): Promise<Snapshot[]> {
  const place = await findData(context, words.source, words.engine);
  const snapshots = await listAt(context, place);
  const found = names.map((name) => requireSnapshot(snapshots, name));
  if (place.kind === 'running') for (const name of names) await change(context, place.container, ['rm', name]);
  else {
    await inFolder(context, place, async ({ paths }) => {
      for (const name of names) {
        await changeKeeping(context, paths, 'remove', name);
      }
    });
  }
  return found;
}

/** The disk that a saved guest goes on with stays the same. */
async function changeKeeping({ exec }: HostContext, paths: DataPaths, what: 'create' | 'remove', name: string) {
  await keepingMemory(paths, () => changingSnapshots(paths, () => changeSnapshot(exec, paths, what, name)));
}

async function change(
  context: HostContext,
  container: FoundContainer,
  words: readonly string[],
): Promise<ChangedSnapshot> {
  const { answer, end } = await askMachine(context, container, ['snapshot', ...words], 'changed');
  await end();
  const { snapshot, kept, paused, frozen } = answer;
  return { snapshot, kept, paused, frozen };
}

/** The folder of a stopped machine, locked. */
async function inFolder<T>(
  context: HostContext,
  place: DataPlace,
  use: (data: OpenDataFolder) => Promise<T>,
): Promise<T> {
  if (place.kind !== 'folder') throw notHere(place.container);
  return withLockedFolder(context, place.folder, nothing, use);
}

async function nothing(): Promise<void> {}

function notHere({ client, facts }: FoundContainer): VirtainersError {
  const { program } = client.dialect;
  const message = `using the snapshots of ${facts.name}: its data folder is not one of this machine that you may write`;
  return new VirtainersError('DATA_UNWRITABLE', message, {
    hint: `start it (${program} start ${facts.name}): a running machine's snapshots are made and restored inside; or run this as the folder's owner`,
  });
}
