import { rm } from 'node:fs/promises';
import { z } from 'zod';
import { chainName } from '../chain.ts';
import { VirtainersError } from '../errors.ts';
import { commandFailed, type Exec } from '../exec.ts';
import { isAccessible, writeFileAtomically } from '../files.ts';
import { checkDisk, damagedDisk, QemuRefusal } from '../qemu-img.ts';
import type { DataPaths } from './paths.ts';

/**
 * A state of a machine, kept in its overlay by QEMU (qcow2's internal snapshots; QEMU, docs/interop/qcow2.rst, "Snapshots").
 * The overlay itself is the list of them: nothing beside it can say something else.
 */
export const snapshotSchema = z.object({
  name: z.string(),
  /** ISO 8601. */
  created: z.string(),
  /** What was kept of the guest's memory, in bytes; 0: the disk alone. */
  memory: z.number(),
});

export type Snapshot = z.infer<typeof snapshotSchema>;

/** QEMU, qapi/block-core.json, SnapshotInfo: what we rely on. */
const infoSchema = z.object({
  snapshots: z.array(z.object({ name: z.string(), 'date-sec': z.number(), 'vm-state-size': z.number() })).default([]),
});

/** The oldest first. `share`: also while a VM has the overlay open. Opens nothing that it lies on. */
export async function listSnapshots(exec: Exec, overlay: string, share = false): Promise<Snapshot[]> {
  const args = ['info', '--output=json', '-f', 'qcow2', ...(share ? ['--force-share'] : []), overlay];
  const { snapshots } = infoSchema.parse(JSON.parse((await exec('qemu-img', args)).stdout));
  return snapshots.map((each) => ({
    name: each.name,
    created: new Date(each['date-sec'] * 1000).toISOString(),
    memory: each['vm-state-size'],
  }));
}

const NAME = /^(?!\d+$)[A-Za-z0-9][\w.-]{0,62}$/;

/** ARGUMENTS_BAD for what is no name, or is taken. A number alone would be taken for QEMU's own number of a snapshot. */
export function requireFreeName(snapshots: readonly Snapshot[], name: string): void {
  if (!NAME.test(name)) {
    throw new VirtainersError('ARGUMENTS_BAD', `${JSON.stringify(name)} cannot be the name of a snapshot`, {
      hint: 'letters, digits, dots, hyphens and underscores, at most 63, and not digits alone: before-upgrade',
    });
  }
  if (snapshots.some((each) => each.name === name)) {
    throw new VirtainersError('ARGUMENTS_BAD', `there is a snapshot ${name} already`, {
      hint: 'give another name, or remove it first: virtainers snapshot rm MACHINE NAME',
    });
  }
}

/** The snapshot of that name. SNAPSHOT_UNKNOWN, naming those that there are. */
export function requireSnapshot(snapshots: readonly Snapshot[], name: string): Snapshot {
  const found = snapshots.find((each) => each.name === name);
  if (found) return found;
  const names = snapshots.map((each) => each.name).join(', ');
  throw new VirtainersError('SNAPSHOT_UNKNOWN', `no snapshot is called ${JSON.stringify(name)}`, {
    hint: names ? `there are: ${names}` : 'there are none: `virtainers snapshot create` makes one',
  });
}

/** What the present state is kept as before `name` takes its place: `before-NAME`, and then with a number. */
export function nameOfPresent(snapshots: readonly Snapshot[], name: string): string {
  const base = `before-${name}`.slice(0, 58);
  const taken = new Set(snapshots.map((each) => each.name));
  for (let number = 1; ; number += 1) {
    const wanted = number === 1 ? base : `${base}-${number}`;
    if (!taken.has(wanted)) return wanted;
  }
}

/** A name for one that got none: `2026-11-26T19.31.27Z`. */
export function nameOfMoment(now: Date): string {
  return now
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(':', '.');
}

/** Words of `qemu-img snapshot` for a disk that nobody has open; nothing that it lies on is opened. */
export type SnapshotChange = 'create' | 'restore' | 'remove';

const WORDS: Readonly<Record<SnapshotChange, string>> = { create: '-c', restore: '-a', remove: '-d' };

export async function changeSnapshot(exec: Exec, { overlay }: DataPaths, change: SnapshotChange, name: string) {
  const words = ['snapshot', '-q', WORDS[change], name, chainName({ path: overlay, format: 'qcow2' }, [])];
  const { exitCode, stderr } = await exec('qemu-img', words, { allowFailure: true });
  if (exitCode !== 0)
    throw new QemuRefusal(commandFailed(['qemu-img', ...words], `exit code ${exitCode}`, stderr).message);
}

/**
 * Notes in the data folder that snapshots are being changed for the time of `use`: whoever is killed in between, or does not hear from
 * QEMU how it ended, leaves the note to the next start. Only the overlay's user may call it.
 */
export async function changingSnapshots<T>(paths: DataPaths, use: () => Promise<T>): Promise<T> {
  let interrupted = false;
  await writeFileAtomically(paths.changing, 'snapshots were being changed: the next start checks the disk\n');
  try {
    return await use();
  } catch (error) {
    interrupted = !(error instanceof QemuRefusal);
    throw error;
  } finally {
    if (!interrupted) await rm(paths.changing, { force: true });
  }
}

/**
 * After a change that was killed: takes back what was counted too often, which is all that can be wrong, for QEMU counts up
 * before it refers, and down after. Whatever else is wrong no change of snapshots did, and nothing is repaired: DISK_REFUSED.
 * Only the holder of the folder's lock may call it. True: there was one.
 */
export async function settleSnapshots(exec: Exec, { overlay, changing }: DataPaths): Promise<boolean> {
  if (!(await isAccessible(changing))) return false;
  const { tables, said } = await checkDisk(exec, overlay, 'leaks');
  if (tables === 'damaged') throw damagedDisk(overlay, said);
  await rm(changing, { force: true });
  return true;
}
