import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { formatSize, freeBytes, isAccessible } from '@virtainers/core';
import type { Check, Finding } from './check.ts';

const ENOUGH_BYTES = 4 * 1024 ** 3;

export const cacheFolder: Check = {
  name: 'cache',
  title: 'cache folder',
  check: ({ cacheDir }) => examineFolder(cacheDir),
  remedy: 'point --cache-dir or XDG_CACHE_HOME at a folder with room',
};

/** The folder need not be there: then the nearest one above it counts. */
async function examineFolder(wanted: string): Promise<Finding> {
  let folder = wanted;
  while (!(await isAccessible(folder, constants.F_OK)) && dirname(folder) !== folder) folder = dirname(folder);
  if (!(await isAccessible(folder, constants.W_OK)))
    return { status: 'warning', detail: `${wanted} cannot be written` };
  const free = await freeBytes(folder);
  const detail = `${wanted}, ${formatSize(free)} free`;
  return free >= ENOUGH_BYTES
    ? { status: 'ok', detail }
    : { status: 'warning', detail: `${detail}; a bake may need 4 GiB` };
}
