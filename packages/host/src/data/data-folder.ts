import { chmod, chown, lstat, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import {
  checkBinding,
  checkOverlayHeader,
  type DataPaths,
  dataPaths,
  lockFile,
  type Qcow2Header,
  readQcow2Header,
  readSidecar,
  type Sidecar,
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
 * Takes the same lock as a start does, and refuses what a start would refuse, before any program opens the overlay.
 * `first` is done once the lock is held. ARGUMENTS_BAD, DATA_IN_USE, DISK_REFUSED.
 */
export async function withLockedFolder<T>(
  context: HostContext,
  folder: string,
  first: (paths: DataPaths) => Promise<void>,
  use: (data: OpenDataFolder) => Promise<T>,
): Promise<T> {
  const paths = dataPaths(resolve(folder));
  for (const path of [paths.overlay, paths.sidecar]) await requireFile(path);
  const lock = await lockFile(context.spawn, paths.lock, `virtainers on ${hostname()}`);
  try {
    await first(paths);
    return await use(await readDataFolder(paths));
  } finally {
    await lock.release();
  }
}

/** Refuses what a start would refuse; nothing is locked. DISK_REFUSED. */
export async function readDataFolder(paths: DataPaths): Promise<OpenDataFolder> {
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

async function requireFile(path: string): Promise<void> {
  const facts = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new VirtainersError('DATA_UNWRITABLE', `opening ${path}: ${error.message}`, {
      hint: 'use the folder as its owner, or as root',
      cause: error,
    });
  });
  if (facts?.isFile()) return;
  const what = facts ? 'it is no regular file' : 'there is no such file';
  throw new VirtainersError(facts ? 'DISK_REFUSED' : 'ARGUMENTS_BAD', `opening ${path}: ${what}`, {
    hint: 'a data folder holds local_image.qcow2 and local_image.json, which a start of its virtual machine makes',
  });
}
