import { dataPaths, IN_IMAGE, VirtainersError } from '@virtainers/core';
import { findMountedImage } from '../disk/base-disk.ts';
import type { Users } from '../disk/data-folder.ts';
import { keepTpm, keepVariables } from '../disk/machine-state.ts';
import { type OpenDisk, openDisk } from '../disk/open-disk.ts';
import { BOARDS, uefiOf } from '../guest/board.ts';
import type { Deps } from './deps.ts';

/** The data folder, opened over the baked disk, or in a generic image over the one mounted at /image. */
export async function openGuestDisk(deps: Deps): Promise<OpenDisk> {
  const { exec, spawn, log, config, machine, facts, driver, hostname } = deps;
  const users = { qemu: { uid: driver.uid, gid: driver.gid }, asRoot: facts.uid === 0 };
  const disk = await openDisk(exec, spawn, {
    imageDir: config.imageDir,
    base: machine.disk
      ? { kind: 'baked', path: IN_IMAGE.disk, ...machine.disk, overlays: IN_IMAGE.overlays, verify: config.verify }
      : { kind: 'mounted', path: await mountedImage(), verify: config.verify },
    diskSize: config.diskSize,
    ...users,
    reference: config.reference,
    diffIDs: config.diffIDs,
    holder: hostname,
    mountinfo: facts.mountinfo,
    log,
  });
  try {
    await keepState(deps, users);
    return disk;
  } catch (error) {
    await disk.release();
    throw error;
  }
}

/** What belongs to the machine and not to its disk: the firmware's variables, the TPM's memory. */
async function keepState({ exec, config, machine }: Deps, users: Users): Promise<void> {
  const paths = dataPaths(config.imageDir);
  const uefi = uefiOf(BOARDS[machine.arch], config.firmware);
  if (uefi) await keepVariables(exec, paths, config.firmware.secureBoot, uefi.variables, users);
  if (config.firmware.tpm) await keepTpm(paths, users);
}

async function mountedImage(): Promise<string> {
  const path = await findMountedImage();
  if (path !== undefined) return path;
  throw new VirtainersError('CONFIG_INVALID', 'this image has no disk of its own, and none is mounted at /image', {
    hint: 'mount a cloud image: -v /path/to/disk.qcow2:/image:ro (virtainers run: --root-disk)',
  });
}
