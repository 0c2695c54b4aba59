import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { VirtainersError } from '../errors.ts';

/** The names in IMAGE_DIR. */
export interface DataPaths {
  readonly folder: string;
  readonly overlay: string;
  /** The overlay while it is made. */
  readonly temp: string;
  readonly sidecar: string;
  /** The sidecar of an overlay that is being made: it gets its name after the overlay. */
  readonly sidecarTemp: string;
  readonly lock: string;
  /** A copy of the overlay of a running machine, for as long as somebody reads it. */
  readonly copy: string;
  /** There while its snapshots are being changed. */
  readonly changing: string;
  /** UEFI's, where the guest starts with it; those of secure boot are others, for they hold keys. */
  readonly variables: string;
  readonly secureVariables: string;
  /** A folder: the TPM's state. */
  readonly tpm: string;
  /** The guest's memory as a stop saved it, while it is written, and what it belongs to: without that it is nothing. */
  readonly memory: string;
  readonly memoryTemp: string;
  readonly memoryRecord: string;
  /** The record of memory that a guest has gone on from, until that is removed. */
  readonly memoryUsed: string;
}

export function dataPaths(folder: string): DataPaths {
  const overlay = join(folder, 'local_image.qcow2');
  return {
    folder,
    overlay,
    temp: `${overlay}.new`,
    sidecar: join(folder, 'local_image.json'),
    sidecarTemp: join(folder, 'local_image.json.new'),
    lock: join(folder, 'local_image.lock'),
    copy: join(folder, 'local_image.copy.qcow2'),
    changing: join(folder, 'local_image.changing'),
    variables: join(folder, 'local_variables.fd'),
    secureVariables: join(folder, 'local_secure_variables.fd'),
    tpm: join(folder, 'local_tpm'),
    memory: join(folder, 'local_memory.save'),
    memoryTemp: join(folder, 'local_memory.save.new'),
    memoryRecord: join(folder, 'local_memory.json'),
    memoryUsed: join(folder, 'local_memory.used.json'),
  };
}

/** What firmware and TPM remember: it belongs to the overlay, and goes where it goes. Two files and a folder, if they are there. */
export function statePaths({ variables, secureVariables, tpm }: DataPaths): string[] {
  return [variables, secureVariables, tpm];
}

/** What someone else put there must not lead us, being root, to another place. DISK_REFUSED. */
export async function refuseOdd({ folder: _, tpm, ...files }: DataPaths): Promise<void> {
  for (const path of Object.values(files)) await refuseUnless(path, 'regular file');
  await refuseUnless(tpm, 'folder');
}

async function refuseUnless(path: string, wanted: 'regular file' | 'folder'): Promise<void> {
  const facts = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new VirtainersError('DATA_UNWRITABLE', `opening ${path}: ${error.message}`, {
      hint: 'use the folder as its owner, or as root',
      cause: error,
    });
  });
  if (facts === undefined || (wanted === 'folder' ? facts.isDirectory() : facts.isFile())) return;
  throw new VirtainersError('DISK_REFUSED', `opening ${path}: not a ${wanted}`, {
    hint: 'nothing else may have that name in the data folder; move it away',
  });
}
