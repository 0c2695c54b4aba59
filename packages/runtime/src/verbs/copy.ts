import { rm, stat } from 'node:fs/promises';
import {
  type DataPaths,
  formatSize,
  freeBytes,
  type Qcow2Header,
  readQcow2Header,
  readSidecar,
  VirtainersError,
} from '@virtainers/core';
import { own } from '../disk/data-folder.ts';
import { createOverlay } from '../disk/overlay.ts';
import { backUp, clearBackup } from '../domain/backup.ts';
import { driveOf, readDrives } from '../domain/drives.ts';
import { whileFrozen } from '../domain/freeze.ts';
import { type LiveMachine, type MachineDeps, withMachine } from './machine.ts';

/** What a copy may have more than the overlay has now: tables. */
const SPARE = 8 * 1024 ** 2;

/**
 * Makes a copy of the running guest's disk as it is at one moment, beside it in the data folder, tells where it lies, and keeps it
 * until the input ends. DISK_FULL before anything is written.
 */
export function copyDisk(deps: MachineDeps): Promise<number> {
  return withMachine(deps, async (machine) => {
    const { paths } = machine;
    try {
      const ended = deps.inputEnded.then(() => clearBackup(machine.virsh).catch(() => undefined));
      const header = await readQcow2Header(paths.overlay);
      if (!header) throw new VirtainersError('DISK_REFUSED', `opening ${paths.overlay}: not a qcow2 disk`);
      const frozen = await makeCopy(deps, machine, header);
      const { size } = await stat(paths.copy);
      deps.answer({ kind: 'copied', path: paths.copy, size, frozen, snapshots: header.snapshots });
      await ended;
    } finally {
      await rm(paths.copy, { force: true });
      // Where the room ran out under both, the guest waits for it; libvirt's default on ENOSPC.
      if ((await machine.virsh.state())?.includes('I/O error')) await machine.virsh.resume().catch(() => undefined);
    }
  });
}

async function makeCopy(
  deps: MachineDeps,
  { virsh, paths, users }: LiveMachine,
  header: Qcow2Header,
): Promise<boolean> {
  const drive = driveOf(await readDrives(virsh), paths.overlay);
  await requireRoom(paths);
  await rm(paths.copy, { force: true });
  await makeEmpty(deps, paths, Number(header.virtualSize));
  await own(paths.copy, paths.folder, users);
  let frozen = false;
  await backUp(
    virsh,
    drive,
    paths.copy,
    async (start) => {
      ({ frozen } = await whileFrozen(deps.spawn, virsh, start));
    },
    (done, total) => deps.answer({ kind: 'progress', done, total }),
  );
  return frozen;
}

/** Its header says what the overlay's says; nothing opens what is named there. */
async function makeEmpty({ exec }: MachineDeps, { copy, sidecar }: DataPaths, size: number): Promise<void> {
  const top = (await readSidecar(sidecar))?.chain.at(-1);
  if (top) await createOverlay(exec, copy, { path: top.path, format: top.format }, size);
  else await exec('qemu-img', ['create', '-q', '-f', 'qcow2', copy, String(size)]);
}

/** Each cluster is copied once at most, so that the overlay's own size is the copy's limit. */
async function requireRoom({ folder, overlay }: DataPaths): Promise<void> {
  const [{ blocks }, free] = await Promise.all([stat(overlay), freeBytes(folder)]);
  const needed = blocks * 512 + SPARE;
  if (needed <= free) return;
  throw new VirtainersError(
    'DISK_FULL',
    `copying the guest's disk: the copy takes up to ${formatSize(needed)} in its data folder for a while, where ${formatSize(free)} are free`,
    { hint: 'stop the machine first: its disk is then read where it is; or free some room' },
  );
}
