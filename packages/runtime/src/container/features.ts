import { readdir } from 'node:fs/promises';
import { IN_IMAGE } from '@virtainers/core';

/** What the image brings above its runtime root, by name: each feature's layer has a file that says so. */
export async function readFeatures(folder: string = IN_IMAGE.features): Promise<ReadonlySet<string>> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return new Set(names.flatMap((name) => /^([a-z][a-z0-9]*)\.json$/.exec(name)?.[1] ?? []).sort());
}
