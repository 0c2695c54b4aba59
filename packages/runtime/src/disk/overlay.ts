import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  chainName,
  type DiskFile,
  type Exec,
  type Qcow2Header,
  readQcow2Header,
  syncDirectory,
  VirtainersError,
} from '@virtainers/core';

/** Undefined when there is no overlay; DISK_REFUSED when there is something else. */
export async function readOverlay(path: string): Promise<Qcow2Header | undefined> {
  let header: Qcow2Header | undefined;
  try {
    header = await readQcow2Header(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new VirtainersError('DATA_UNWRITABLE', `reading ${path}: ${message}`, { cause });
  }
  if (header) return header;
  throw new VirtainersError('DISK_REFUSED', `opening ${path}: not a qcow2 disk of a known version`, {
    hint: 'restore it, or move it away to start afresh',
  });
}

/** Makes the overlay under a temporary name; the file that it lies on is named in it and not opened. */
export async function createOverlay(exec: Exec, temp: string, below: DiskFile, size: number): Promise<void> {
  const named = ['-u', '-F', below.format, '-b', below.path];
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', ...named, temp, String(size)]);
}

/** Makes a finished file visible: on disk first, then under its name. */
export async function publishOverlay(temp: string, path: string): Promise<void> {
  await syncFile(temp);
  await rename(temp, path);
  await syncDirectory(dirname(path));
}

export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.sync().finally(() => handle.close());
}

/** Grows the overlay; `below`: all that it lies on, from the top. */
export async function growOverlay(exec: Exec, path: string, below: readonly DiskFile[], size: number): Promise<void> {
  await exec('qemu-img', ['resize', '-q', chainName({ path, format: 'qcow2' }, below), String(size)]);
}
