/** Who runs QEMU and what QEMU runs. */
export interface QemuUser {
  readonly uid: number;
  readonly gid: number;
  /** The supervisor is root and must become that user; otherwise it is that user. */
  readonly asRoot: boolean;
}

/** A command line that runs as QEMU's user, as libvirt will run it: with its groups (setpriv(1)). */
export function asQemu({ uid, gid, asRoot }: QemuUser, argv: readonly [string, ...string[]]): [string, ...string[]] {
  const [file, ...args] = argv;
  return asRoot ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', ...argv] : [file, ...args];
}
