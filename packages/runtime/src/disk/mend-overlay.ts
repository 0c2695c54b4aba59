import { stat } from 'node:fs/promises';
import { checkDisk, damagedDisk, type Exec, type Log } from '@virtainers/core';

/** For a log whose reader may find files missing. */
export const COPIED =
  'this data folder is a copy that was made while its machine ran, or its host died: what the guest had just written may be torn; check its file systems, or copy again from a stopped machine';

/** Whether a machine was still running on another overlay than this one when the note of it was written or copied. */
export async function isCopyOfRunning(overlay: string, left: string | undefined): Promise<boolean> {
  return left !== undefined && left !== (await inodeOf(overlay));
}

export async function inodeOf(path: string): Promise<string> {
  return String((await stat(path, { bigint: true })).ino);
}

/**
 * Looks whether the overlay's own tables hold together; it takes half a second for 200 GB. A QEMU that was killed leaks clusters:
 * they are given back. Throws DISK_REFUSED for a damaged one, and what checkDisk throws.
 */
export async function mendOverlay(exec: Exec, overlay: string, copied: boolean, log: Log): Promise<void> {
  const { tables, said } = await checkDisk(exec, overlay);
  if (tables === 'sound') return;
  if (tables === 'leaks') {
    const left = await checkDisk(exec, overlay, 'leaks').then(
      (mended) => (mended.tables === 'sound' ? undefined : mended.said),
      (error: Error) => error.message,
    );
    if (left !== undefined) log.warn(`${overlay} takes more room than it needs: ${left}`);
    return;
  }
  const why = copied ? ': it was copied while its machine ran, or its host died' : '';
  throw damagedDisk(overlay, said, why);
}
