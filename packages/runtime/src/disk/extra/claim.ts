import { constants } from 'node:fs';
import { chown, type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Exec, VirtainersError } from '@virtainers/core';
import type { BlockPlace, ExtraDisk } from '../../guest/disk.ts';
import { openAsQemu } from './open-as-qemu.ts';
import { type DiskAsk, diskProblem } from './source.ts';

type BlockDisk = ExtraDisk & { readonly place: BlockPlace };

/**
 * Takes the devices among `disks` for this machine until the call that it gives back, and makes nodes for those that QEMU's
 * user may not open where they are. DATA_IN_USE, DATA_UNWRITABLE.
 */
export async function claimDevices(
  exec: Exec,
  disks: readonly ExtraDisk[],
  ask: DiskAsk,
): Promise<() => Promise<void>> {
  const devices = disks.filter((disk): disk is BlockDisk => disk.place.kind === 'block');
  const held: FileHandle[] = [];
  const release = async () => {
    for (const handle of held.splice(0)) await handle.close();
  };
  try {
    for (const device of devices) {
      const handle = await claim(device);
      if (device.readonly) await handle.close();
      else held.push(handle);
      if (device.place.node) await makeNode(exec, device, ask);
    }
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

/**
 * Opens it for us alone (open(2), O_EXCL on a block device): the kernel's own claim, which ends with this process. QEMU's locks
 * hold for a node, and each container has another for the same device; a file system that is mounted has such a claim too.
 */
async function claim({ from, readonly }: BlockDisk): Promise<FileHandle> {
  return open(from, (readonly ? constants.O_RDONLY : constants.O_RDWR) | constants.O_EXCL).catch((error) => {
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw diskProblem('DATA_UNWRITABLE', from, error.message);
    throw diskProblem(
      'DATA_IN_USE',
      from,
      'another virtual machine has it, or it is mounted on the host',
      'stop the other one, unmount it, or give each its own disk',
    );
  });
}

/**
 * The node that the container was given belongs to the person, and perhaps to the host (`-v /dev:/dev`): neither its owner nor
 * its mode is ours to change, so that QEMU's user gets one of its own.
 */
async function makeNode(exec: Exec, { from, place }: BlockDisk, ask: DiskAsk): Promise<void> {
  if (!place.node) return;
  const { major, minor } = place.node;
  await mkdir(dirname(place.path), { recursive: true, mode: 0o755 });
  // One that an earlier life of the container left may be another device's.
  await rm(place.path, { force: true });
  try {
    await exec('mknod', ['--mode=0600', place.path, 'b', String(major), String(minor)]);
    await chown(place.path, ask.qemu.uid, ask.qemu.gid);
    await openAsQemu(exec, ask, { path: place.path, format: 'raw', from });
  } catch (cause) {
    if (!(cause instanceof VirtainersError) && (cause as NodeJS.ErrnoException).code === undefined) throw cause;
    throw diskProblem(
      'DATA_UNWRITABLE',
      from,
      `QEMU (${ask.qemu.uid}:${ask.qemu.gid}) may not open it, and this container may not make a node that it could`,
      `let it on the host: setfacl -m u:${ask.qemu.uid}:rw DEVICE; or keep the capability MKNOD`,
    );
  }
}
