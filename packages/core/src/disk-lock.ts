import { VirtainersError } from './errors.ts';

/**
 * QEMU's words for a disk that somebody else has open (util/osdep.c and block/file-posix.c; QEMU, "Disk image file locking"),
 * made into an error that names it. Undefined: it is about something else.
 */
export function diskInUse(message: string, from?: string): VirtainersError | undefined {
  if (!/Failed to get (?:shared )?"[\w ]+" lock/.test(message)) return undefined;
  const path = from ?? /Is another process using the image \[([^\]]*)\]/.exec(message)?.[1] ?? 'a disk';
  return new VirtainersError(
    'DATA_IN_USE',
    `opening ${path}: another virtual machine, or a program like qemu-img, has it open`,
    { hint: 'stop the other one, or give each its own disk; several may share one that all of them mount :ro' },
  );
}
