import { finishJob, jobName } from './jobs.ts';
import type { Virsh } from './virsh.ts';

type Qmp = Pick<Virsh, 'qmp'>;

/*
 * libvirt keeps a list of snapshots of its own, which a transient domain loses with its end, and refuses them where UEFI's
 * variables are a raw file. QEMU's jobs (qapi/migration.json, snapshot-save, snapshot-load, snapshot-delete) need neither:
 * UEFI's variables and the TPM's memory travel in the memory that they keep.
 */

/** Keeps memory and disk at one moment; the guest stands still for as long as its memory is written. */
export async function saveSnapshot(virsh: Qmp, node: string, tag: string): Promise<void> {
  await snapshotJob(virsh, 'save', { tag, vmstate: node, devices: [node] });
}

/** Keeps the disk alone, at once. */
export async function saveDisk(virsh: Qmp, node: string, name: string): Promise<void> {
  await virsh.qmp('blockdev-snapshot-internal-sync', { device: node, name });
}

export async function deleteSnapshot(virsh: Qmp, node: string, tag: string): Promise<void> {
  await snapshotJob(virsh, 'delete', { tag, devices: [node] });
}

/**
 * Puts disk and memory back in the QEMU that runs, which stands still afterwards; also one that has not run yet. A guest whose memory cannot
 * be put back is reset, and boots from the disk as it was then.
 */
export async function loadSnapshot(virsh: Qmp, node: string, tag: string): Promise<void> {
  await virsh.qmp('stop');
  try {
    await snapshotJob(virsh, 'load', { tag, vmstate: node, devices: [node] });
  } catch (error) {
    await virsh.qmp('system_reset');
    throw error;
  }
}

/**
 * How libvirt has saved memory written and read. QEMU goes on with that after a resume, and ends where it is to load a snapshot, which
 * is written in one piece. libvirt sets both anew when it saves.
 */
const OF_SAVED_MEMORY = ['mapped-ram', 'multifd'];

async function snapshotJob(virsh: Qmp, verb: 'save' | 'load' | 'delete', args: object): Promise<void> {
  const capabilities = OF_SAVED_MEMORY.map((capability) => ({ capability, state: false }));
  await virsh.qmp('migrate-set-capabilities', { capabilities });
  const id = jobName(`snapshot-${verb}`);
  await virsh.qmp(`snapshot-${verb}`, { 'job-id': id, ...args });
  await finishJob(virsh, id);
}
