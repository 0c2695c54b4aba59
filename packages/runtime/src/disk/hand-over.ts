import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { own, type Users } from './data-folder.ts';

/** What every file of ours in the data folder begins with. */
const OURS = 'local_';

/**
 * Gives all that a virtual machine has in its data folder to the folder's owner, in whatever folders it lies: programs that run
 * as QEMU's user make files of their own there (the TPM's state), and libvirt takes their folder away. Links stay as they are.
 */
export async function handOver(folder: string, users: Users): Promise<void> {
  if (!users.asRoot) return;
  const names = await readdir(folder);
  for (const name of names.filter((each) => each.startsWith(OURS))) await give(join(folder, name), folder, users);
}

/** A file may go away meanwhile: it was a temporary one. */
async function give(path: string, folder: string, users: Users): Promise<void> {
  const facts = await lstat(path).catch(unlessGone);
  if (!facts?.isFile() && !facts?.isDirectory()) return;
  await own(path, folder, users).catch(unlessGone);
  if (!facts.isDirectory()) return;
  for (const name of (await readdir(path).catch(unlessGone)) ?? []) await give(join(path, name), folder, users);
}

function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
