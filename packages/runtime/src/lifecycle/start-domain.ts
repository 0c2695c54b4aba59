import { readFile } from 'node:fs/promises';
import { changingSnapshots, dataPaths, type Log } from '@virtainers/core';
import type { OpenDisk } from '../disk/open-disk.ts';
import { driveOf, readDrives } from '../domain/drives.ts';
import { loadSnapshot } from '../domain/live-snapshot.ts';
import { memoryNeeds, unmetNeeds } from '../domain/memory-needs.ts';
import type { Virsh } from '../domain/virsh.ts';

/**
 * Starts the domain. Where a snapshot with memory was restored since the last start, the guest goes on from there, once; memory that does
 * not fit this machine (another RAM, another QEMU) is named, and the guest boots from its disk. Returns whether it goes on.
 */
export async function startDomain(
  virsh: Virsh,
  domainFile: string,
  disk: Pick<OpenDisk, 'overlay' | 'resume' | 'memories' | 'remember'>,
  imageDir: string,
  log: Log,
): Promise<boolean> {
  const { resume, overlay, memories } = disk;
  const paths = dataPaths(imageDir);
  if (resume === undefined) {
    await virsh.create(domainFile);
    return false;
  }
  const load = async (): Promise<string[]> => {
    try {
      const { node } = driveOf(await readDrives(virsh), overlay);
      await changingSnapshots(paths, () => loadSnapshot(virsh, node, resume));
      return [];
    } catch (error) {
      return [String(error)];
    }
  };
  await virsh.create(domainFile, '--paused');
  const present = await memoryNeeds(virsh, paths, await readFile('/proc/cpuinfo', 'utf8'));
  const unmet = unmetNeeds(memories?.[resume], present);
  const why = unmet.length > 0 ? unmet : await load();
  if (why.length === 0) log.info(`the guest goes on from the snapshot ${resume}`);
  else log.warn(`the memory of the snapshot ${resume} cannot be resumed, so the guest boots: ${why.join('; ')}`);
  // Until the guest takes its first step, the next start may do all of this again.
  await disk.remember({ resume: undefined });
  await virsh.resume();
  return why.length === 0;
}
