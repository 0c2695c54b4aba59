import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Exec, type Qcow2Header, readQcow2Header, syncDirectory, VirtainersError } from '@virtainers/core';
import type { SidecarBase } from './sidecar.ts';

/** A base as it lies here and now. */
export interface Backing {
  readonly path: string;
  readonly format: SidecarBase['format'];
}

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

/** Makes the overlay under a temporary name. qemu-img wants the backing format named, and so do we. */
export async function createOverlay(exec: Exec, temp: string, backing: Backing, size: number): Promise<void> {
  const chain = ['-F', backing.format, '-b', backing.path];
  await exec('qemu-img', ['create', '-q', '-f', 'qcow2', ...chain, temp, String(size)]);
}

/** Makes a finished file visible: on disk first, then under its name. */
export async function publishOverlay(temp: string, path: string): Promise<void> {
  const handle = await open(temp, 'r+');
  await handle.sync().finally(() => handle.close());
  await rename(temp, path);
  await syncDirectory(dirname(path));
}

/** Grows the overlay. The chain is spelt out, so that nothing in a header is followed (QEMU, json: file names). */
export async function growOverlay(exec: Exec, path: string, backing: Backing | undefined, size: number): Promise<void> {
  const file = (filename: string) => ({ driver: 'file', filename });
  const chain = {
    driver: 'qcow2',
    file: file(path),
    backing: backing ? { driver: backing.format, file: file(backing.path) } : null,
  };
  await exec('qemu-img', ['resize', '-q', `json:${JSON.stringify(chain)}`, String(size)]);
}
