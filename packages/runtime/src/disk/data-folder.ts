import { constants } from 'node:fs';
import { access, chmod, chown, readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type DataPaths,
  type Exec,
  isAccessible,
  type Log,
  makeFolders,
  putAside,
  refuseOdd,
  VirtainersError,
} from '@virtainers/core';

/** Who uses the files. */
export interface Users {
  readonly asRoot: boolean;
  readonly qemu: { readonly uid: number; readonly gid: number };
}

/** Makes the folder if it is missing; throws DATA_UNWRITABLE unless this process can write there. */
export async function prepareFolder(paths: DataPaths): Promise<void> {
  const { folder } = paths;
  try {
    await makeFolders(folder);
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw await unwritable(folder, cause as Error);
  }
  await refuseOdd(paths);
}

async function unwritable(folder: string, cause: Error): Promise<VirtainersError> {
  const facts = await stat(folder).catch(() => undefined);
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const owner = facts ? ` (owner ${facts.uid}:${facts.gid}, mode 0${(facts.mode & 0o7777).toString(8)})` : '';
  const code = (cause as NodeJS.ErrnoException).code;
  if (facts && !facts.isDirectory()) {
    return new VirtainersError('DATA_UNWRITABLE', `opening the data folder ${folder}: it is not a folder`, { cause });
  }
  const chownIt = `chown ${uid}:${gid} on the folder (rootless Podman: podman unshare chown)`;
  const hint =
    code === 'EROFS'
      ? 'mount it without :ro, or mount a volume there when the root is read-only'
      : `on the host: ${chownIt}; or a named volume instead of a folder; or run the container as the owner: --user ${facts?.uid ?? uid}:${facts?.gid ?? gid}`;
  return new VirtainersError(
    'DATA_UNWRITABLE',
    `writing to the data folder ${folder}${owner} as ${uid}:${gid}: ${code ?? cause.message}`,
    { hint, cause },
  );
}

/**
 * What an earlier start left half made. Memory that is whole but has no record is put aside: what could not be written was what says to
 * what it belongs. Gives back its new name. Only the holder of the lock may call it.
 */
export async function removeLeftovers(paths: DataPaths, now: Date): Promise<string | undefined> {
  const { folder, temp, sidecarTemp, copy, memoryTemp, memory, memoryRecord, memoryUsed } = paths;
  const names = await readdir(folder);
  for (const name of names) {
    if (/^local_(image|memory)\.json(\.new)?\.[0-9a-f]+\.tmp$/.test(name))
      await rm(join(folder, name), { force: true });
  }
  for (const path of [temp, sidecarTemp, copy, memoryTemp]) await rm(path, { force: true });
  if (names.includes(basename(memoryUsed))) await removeUsed(paths);
  const [aside] = names.includes(basename(memoryRecord)) ? [] : await putAside([memory], now);
  return aside;
}

/** Memory that a guest has gone on from. */
export async function removeUsed({ memory, memoryUsed }: DataPaths): Promise<void> {
  for (const path of [memory, memoryUsed]) await rm(path, { force: true });
}

/**
 * Gives a file, or a folder in it, to whoever owns the folder, so that a person can delete on the host what is theirs, and to QEMU's group.
 * Not root: to this user alone. Where the file system or a user namespace forbids it, requireWritable has the last word.
 */
export async function own(path: string, folder: string, users: Users): Promise<void> {
  const facts = await stat(path);
  const through = facts.isDirectory() ? 0o110 : 0;
  if (users.asRoot) {
    const { uid } = await stat(folder);
    await orRefused(chown(path, uid, users.qemu.gid));
    await orRefused(chmod(path, 0o660 | through));
  } else if (facts.uid === process.geteuid?.()) {
    await orRefused(chmod(path, 0o600 | (through & 0o100)));
  }
}

/** Lets QEMU through a folder that is closed to it (0700); the log says so. */
export async function openToQemu(exec: Exec, folder: string, users: Users, log: Log): Promise<void> {
  if (await qemuCan(exec, 'x', folder, users)) return;
  const { uid, mode } = await stat(folder);
  await orRefused(chown(folder, uid, users.qemu.gid));
  await orRefused(chmod(folder, (mode & 0o7777) | 0o010));
  log.info(`${folder} was closed to QEMU: its group is now ${users.qemu.gid}, which may pass through`);
}

/** No root of the file system's (NFS), no such concept (CIFS), an id that this user namespace does not know. */
async function orRefused(change: Promise<void>): Promise<void> {
  await change.catch((error: NodeJS.ErrnoException) => {
    if (!['EPERM', 'EACCES', 'EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(error.code ?? '')) throw error;
  });
}

/** Throws DATA_UNWRITABLE when QEMU's user cannot write the overlay. */
export async function requireWritable(exec: Exec, overlay: string, users: Users): Promise<void> {
  if (await qemuCan(exec, 'w', overlay, users)) return;
  throw new VirtainersError(
    'DATA_UNWRITABLE',
    `opening ${overlay}: QEMU (${users.qemu.uid}:${users.qemu.gid}) may not write it`,
    { hint: `let that user pass through every folder above it, or use a named volume` },
  );
}

/**
 * Asks the kernel and not the mode bits, which know nothing of ACLs, parents and root squash. `test` says no with 1;
 * where setpriv itself may not change the user (127), QEMU is not to run as another one either.
 */
export async function qemuCan(exec: Exec, what: 'r' | 'w' | 'x', path: string, users: Users): Promise<boolean> {
  if (!users.asRoot) {
    const mode = { r: constants.R_OK, w: constants.W_OK, x: constants.X_OK }[what];
    return isAccessible(path, mode);
  }
  const ids = [`--reuid=${users.qemu.uid}`, `--regid=${users.qemu.gid}`, '--clear-groups'];
  const { exitCode } = await exec('setpriv', [...ids, 'test', `-${what}`, path], { allowFailure: true });
  return exitCode !== 1;
}
