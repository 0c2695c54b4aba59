import { changingSnapshots, dataPaths, type Log } from '@virtainers/core';
import type { OpenDisk } from '../disk/open-disk.ts';
import { driveOf, readDrives } from '../domain/drives.ts';
import { loadSnapshot } from '../domain/live-snapshot.ts';
import type { Virsh } from '../domain/virsh.ts';

/**
 * Starts the domain. Where a snapshot with memory was restored since the last start, the guest goes on from there, once; memory that does
 * not fit this machine (another RAM, another QEMU) is named, and the guest boots from its disk.
 */
export async function startDomain(
  virsh: Virsh,
  domainFile: string,
  disk: Pick<OpenDisk, 'overlay' | 'resume' | 'remember'>,
  imageDir: string,
  log: Log,
): Promise<void> {
  const { resume, overlay } = disk;
  if (resume === undefined) return virsh.create(domainFile);
  await disk.remember({ resume: undefined });
  await virsh.create(domainFile, '--paused');
  try {
    const { node } = driveOf(await readDrives(virsh), overlay);
    await changingSnapshots(dataPaths(imageDir), () => loadSnapshot(virsh, node, resume));
    log.info(`the guest goes on from the snapshot ${resume}`);
  } catch (error) {
    log.warn(`the memory of the snapshot ${resume} cannot be resumed, so the guest boots: ${String(error)}`);
  }
  await virsh.resume();
}
