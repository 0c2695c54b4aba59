import { readdir } from 'node:fs/promises';
import { type ErrorCode, type Exec, type NetworkDisk, VirtainersError } from '@virtainers/core';
import type { ExtraDisk } from '../../guest/disk.ts';
import type { Users } from '../data-folder.ts';

/** What is known when disks are looked for. */
export interface DiskAsk extends Users {
  /** Where files and devices lie. */
  readonly folders: { readonly files: string; readonly devices: string };
  /** `asking`: perhaps beside a machine that has them open. */
  readonly when: 'starting' | 'asking';
  /** Disks on the network. */
  readonly network: readonly NetworkDisk[];
  /** A folder for nodes of our own. */
  readonly nodes: string;
}

/** A disk by its name; whether it can be used is found out by `examine`, which throws VirtainersError. */
export interface DiskCandidate {
  readonly name: string;
  readonly from: string;
  examine(): Promise<ExtraDisk>;
}

/** One kind of disk: where such ones are found, in their order. */
export type DiskSource = (exec: Exec, ask: DiskAsk) => Promise<DiskCandidate[]>;

/** An expected failure of one disk. */
export function diskProblem(code: ErrorCode, from: string, why: string, hint?: string): VirtainersError {
  return new VirtainersError(code, `opening ${from}: ${why}`, { hint });
}

/** What is in a folder, in the order of the names' bytes, which no locale changes; nothing where there is none. CONFIG_INVALID. */
export async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw diskProblem('CONFIG_INVALID', folder, error.message, 'a folder belongs there, which this user can read');
  });
  return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
