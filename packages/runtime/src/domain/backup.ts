import type { Drive } from './drives.ts';
import { endJobs, finishJob, jobName } from './jobs.ts';
import type { Virsh } from './virsh.ts';

const NODE = 'virtainers-copy';

/**
 * Copies what a disk holds at one moment, and not what it lies on, into a qcow2 that is there and empty, while the guest runs on:
 * what it overwrites meanwhile QEMU copies first (QEMU, docs/interop/live-block-operations.rst, "blockdev-backup"; qapi,
 * MirrorSyncMode `top`). libvirt's own backup copies all that lies below, too. Nothing of the guest's own disk changes,
 * so that whoever is killed in between leaves nothing behind but half a copy. `at`: does what it is given at the right moment.
 */
export async function backUp(
  virsh: Pick<Virsh, 'qmp'>,
  drive: Drive,
  file: string,
  at: (start: () => Promise<void>) => Promise<void>,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  const id = jobName('copy');
  await clearBackup(virsh);
  await virsh.qmp('blockdev-add', {
    ...{ driver: 'qcow2', 'node-name': NODE, backing: null },
    file: { driver: 'file', filename: file },
  });
  try {
    const sync = drive.backed ? 'top' : 'full';
    const job = { 'job-id': id, device: drive.node, target: NODE, sync, 'auto-dismiss': false };
    await at(async () => void (await virsh.qmp('blockdev-backup', job)));
    await finishJob(virsh, id, onProgress);
  } finally {
    await clearBackup(virsh);
  }
}

/** Ends a copy that is being made, or what a killed one left open in QEMU. */
export async function clearBackup(virsh: Pick<Virsh, 'qmp'>): Promise<void> {
  await endJobs(virsh);
  await virsh.qmp('blockdev-del', { 'node-name': NODE }).catch(() => undefined);
}
