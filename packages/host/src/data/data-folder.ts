import { chmod, chown, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import {
  checkBinding,
  checkOverlayHeader,
  type DataPaths,
  dataPaths,
  isAccessible,
  lockFile,
  type Qcow2Header,
  readQcow2Header,
  readSidecar,
  refuseOdd,
  requireSound,
  type Sidecar,
  settleSnapshots,
  VirtainersError,
  writeSidecar,
} from '@virtainers/core';
import type { HostContext } from '../context.ts';

/** A data folder that nobody else uses meanwhile. */
export interface OpenDataFolder {
  readonly paths: DataPaths;
  readonly sidecar: Sidecar;
  readonly header: Qcow2Header;
}

/**
 * Takes the same lock as a start does, and refuses what a start would refuse, its header before any program opens the overlay, and
 * then its tables. What was killed before is put in order: by `first`, once the lock is held, and changes of its snapshots.
 * ARGUMENTS_BAD, DATA_IN_USE, DISK_REFUSED.
 */
export async function withLockedFolder<T>(
  context: HostContext,
  folder: string,
  first: (paths: DataPaths) => Promise<void>,
  use: (data: OpenDataFolder) => Promise<T>,
): Promise<T> {
  const paths = dataPaths(resolve(folder));
  await refuseOdd(paths);
  for (const path of [paths.overlay, paths.sidecar]) await requireThere(path);
  const lock = await lockFile(context.spawn, paths.lock, `virtainers on ${hostname()}`);
  try {
    await first(paths);
    const data = await readDataFolder(paths);
    await settleSnapshots(context.exec, paths);
    await requireSound(context.exec, paths.overlay);
    return await use(data);
  } finally {
    await lock.release();
  }
}

/** Refuses what a start would refuse before it opens the overlay; nothing is locked. DISK_REFUSED. */
export async function readDataFolder(paths: DataPaths): Promise<OpenDataFolder> {
  await refuseOdd(paths);
  const sidecar = await readSidecar(paths.sidecar);
  const header = await readQcow2Header(paths.overlay);
  if (!sidecar || !header) {
    throw new VirtainersError('DISK_REFUSED', `opening ${paths.overlay}: not a qcow2 disk of a known version`);
  }
  checkOverlayHeader(header, sidecar.chain.at(-1)?.path, paths.overlay);
  checkBinding(header, sidecar.chain, paths.overlay, 'the local_image.json beside it');
  return { paths, sidecar, header };
}

/** The file keeps its owner and mode. */
export async function rewriteSidecar(paths: DataPaths, sidecar: Sidecar): Promise<void> {
  const { uid, gid, mode } = await stat(paths.sidecar);
  await writeSidecar(paths.sidecar, sidecar);
  await chown(paths.sidecar, uid, gid);
  await chmod(paths.sidecar, mode);
}

async function requireThere(path: string): Promise<void> {
  if (await isAccessible(path)) return;
  throw new VirtainersError('ARGUMENTS_BAD', `opening ${path}: there is no such file`, {
    hint: 'a data folder holds local_image.qcow2 and local_image.json, which a start of its virtual machine makes',
  });
}
