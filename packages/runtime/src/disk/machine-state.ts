import { chown, rm } from 'node:fs/promises';
import { type DataPaths, type Exec, isAccessible, makeFolders } from '@virtainers/core';
import { own, type Users } from './data-folder.ts';
import { publishOverlay } from './overlay.ts';

/**
 * UEFI's variables of this virtual machine, beside its overlay: made at its first start, with holes for the nothing that
 * the firmware's own file may mostly be (64 MiB on arm64). Only the holder of the folder's lock may call it.
 */
export async function keepVariables(
  exec: Exec,
  { folder, ...paths }: DataPaths,
  secure: boolean,
  template: string,
  users: Users,
): Promise<void> {
  const path = secure ? paths.secureVariables : paths.variables;
  if (!(await isAccessible(path))) {
    const temp = `${path}.new`;
    await rm(temp, { force: true });
    await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', template, temp]);
    await publishOverlay(temp, path);
  }
  await own(path, folder, users);
}

/** Where swtpm_localca, run by root's libvirt, makes the authority that signs a new TPM's certificates (swtpm-localca.conf(5)). */
const AUTHORITY = '/var/lib/swtpm-localca';

/** The folder in which the TPM's emulator, which runs as QEMU's user, keeps what it may not forget. */
export async function keepTpm({ folder, tpm }: DataPaths, users: Users): Promise<void> {
  await makeFolders(tpm, 0o700);
  await own(tpm, folder, users);
  if (!users.asRoot) return;
  await makeFolders(AUTHORITY, 0o700);
  await chown(AUTHORITY, users.qemu.uid, users.qemu.gid);
}
