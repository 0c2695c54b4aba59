import { VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import type { Virsh } from './virsh.ts';

/** QEMU, qapi/block-core.json, BlockInfo: what we rely on. */
const drivesSchema = z.array(
  z.looseObject({
    inserted: z
      .looseObject({
        'node-name': z.string().optional(),
        file: z.string(),
        ro: z.boolean(),
        backing_file_depth: z.number(),
      })
      .optional(),
  }),
);

/** A disk of the guest, as QEMU has it open. */
export interface Drive {
  /** libvirt chose it (`libvirt-2-format`). */
  readonly node: string;
  readonly file: string;
  readonly readonly: boolean;
  /** It lies on another disk. */
  readonly backed: boolean;
}

export async function readDrives(virsh: Pick<Virsh, 'qmp'>): Promise<Drive[]> {
  const drives = drivesSchema.parse(await virsh.qmp('query-block'));
  return drives.flatMap(({ inserted }) =>
    inserted?.['node-name'] === undefined
      ? []
      : {
          node: inserted['node-name'],
          file: inserted.file,
          readonly: inserted.ro,
          backed: inserted.backing_file_depth > 0,
        },
  );
}

/** The one with that file. COMMAND_FAILED. */
export function driveOf(drives: readonly Drive[], file: string): Drive {
  const drive = drives.find((each) => each.file === file);
  if (drive) return drive;
  throw new VirtainersError('COMMAND_FAILED', `looking for ${file} among the guest's disks: QEMU has it not open`);
}
