import { constants } from 'node:fs';
import { basename, join, posix } from 'node:path';
import {
  type DataPaths,
  IN_IMAGE,
  isAccessible,
  overlayStamp,
  readMemoryRecord,
  statePaths,
  writeMemoryRecord,
} from '@virtainers/core';
import type { HostContext } from '../context.ts';
import type { FoundContainer } from '../engine/container.ts';

/** Where a container has its data folder, and where that lies on this machine, if it does. */
export function dataPlace(
  context: Pick<HostContext, 'kernel'>,
  { client, facts }: FoundContainer,
): { readonly inside: string; readonly here: string | undefined } {
  // Engines know their mounts by the plain path.
  const inside = posix.resolve('/', facts.environment['IMAGE_DIR'] ?? IN_IMAGE.data);
  return { inside, here: client.info.kernel === context.kernel ? facts.mounts[inside] || undefined : undefined };
}

/** Whether this person may read all of them. */
export async function mayRead(...paths: readonly string[]): Promise<boolean> {
  const found = await Promise.all(paths.map((path) => isAccessible(path, constants.R_OK)));
  return found.every(Boolean);
}

/** Copies a disk and what belongs to it out of a container, into `folder`, under the same names. */
export async function copyData(
  { client, facts }: FoundContainer,
  inside: DataPaths,
  disk: string,
  folder: string,
): Promise<void> {
  const copy = (path: string) => client.copyOut(facts.name, path, join(folder, basename(path)));
  for (const path of [disk, inside.sidecar]) await copy(path);
  for (const path of [...statePaths(inside), inside.memoryRecord]) await copy(path).catch(unlessAbsent);
}

/**
 * Saved memory beside such a copy, which it belongs to if it belonged to the disk: engines copy a file's time as whole seconds, and
 * nobody saves a guest and changes its disk within one.
 */
export async function copyMemory({ client, facts }: FoundContainer, inside: DataPaths, to: DataPaths): Promise<void> {
  const record = await readMemoryRecord(to);
  if (!record) return;
  await client.copyOut(facts.name, inside.memory, to.memory).catch(unlessAbsent);
  const [was, is] = [record.overlay, await overlayStamp(to.overlay)];
  const apart = Math.abs(Number(BigInt(was.mtime) - BigInt(is.mtime)));
  if (was.size === is.size && apart < 1e9) await writeMemoryRecord(to, { ...record, overlay: is });
}

/** Not every guest has UEFI or a TPM. Docker and Podman have words of their own for a file that is not there. */
export function unlessAbsent(error: Error): void {
  if (!/could not (be )?f(i|ou)nd|no such (file|container:path)/i.test(error.message)) throw error;
}
