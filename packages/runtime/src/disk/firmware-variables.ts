import { access, rename, rm } from 'node:fs/promises';
import type { DataPaths, Exec } from '@virtainers/core';
import { own, type Users } from './data-folder.ts';

/**
 * UEFI's variables of this virtual machine, beside its overlay: made at its first start, with holes for the 64 MiB of nothing
 * that the firmware's own file mostly is. Only the holder of the folder's lock may call it.
 */
export async function keepVariables(
  exec: Exec,
  { folder, variables }: Pick<DataPaths, 'folder' | 'variables'>,
  template: string,
  users: Users,
): Promise<string> {
  const known = await access(variables).then(
    () => true,
    () => false,
  );
  if (!known) {
    const temp = `${variables}.new`;
    await rm(temp, { force: true });
    await exec('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', template, temp]);
    await rename(temp, variables);
  }
  await own(variables, folder, users);
  return variables;
}
