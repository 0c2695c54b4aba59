import { setTimeout as pause } from 'node:timers/promises';
import { QemuRefusal, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import type { Virsh } from './virsh.ts';

/** QEMU, qapi/job.json, JobInfo: what we rely on. */
const jobsSchema = z.array(
  z.object({
    id: z.string(),
    status: z.string(),
    'current-progress': z.number(),
    'total-progress': z.number(),
    error: z.string().optional(),
  }),
);

type Qmp = Pick<Virsh, 'qmp'>;

/** virsh can listen for a job's events, but does not say from when it does: a short job may have ended by then. */
const LOOK_EVERY_MS = 100;

/** Our jobs, which nobody else ends or forgets. */
const OURS = 'virtainers-';

export function jobName(what: string): string {
  return `${OURS}${what}`;
}

/** Waits until a job that was started with `auto-dismiss: false`, or a snapshot's, has ended, and forgets it. COMMAND_FAILED. */
export async function finishJob(
  virsh: Qmp,
  id: string,
  onProgress?: (done: number, total: number) => void,
): Promise<void> {
  for (;;) {
    const job = (await readJobs(virsh)).find((each) => each.id === id);
    if (!job) throw new VirtainersError('COMMAND_FAILED', `waiting for QEMU's job ${id}: it is gone`);
    onProgress?.(job['current-progress'], job['total-progress']);
    if (job.status === 'concluded') {
      await virsh.qmp('job-dismiss', { id });
      if (job.error === undefined) return;
      throw new QemuRefusal(`QEMU's job ${id}: ${job.error}`);
    }
    await pause(LOOK_EVERY_MS);
  }
}

/** Ends what a killed verb left behind. */
export async function endJobs(virsh: Qmp): Promise<void> {
  for (const { id, status } of (await readJobs(virsh)).filter((job) => job.id.startsWith(OURS))) {
    // A snapshot's job cannot be cancelled, and need not be: it ends by itself.
    if (status !== 'concluded') await virsh.qmp('job-cancel', { id }).catch(() => undefined);
    await finishJob(virsh, id).catch(() => undefined);
  }
}

async function readJobs(virsh: Qmp): Promise<z.infer<typeof jobsSchema>> {
  return jobsSchema.parse(await virsh.qmp('query-jobs'));
}
