import { constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { isAccessible } from '@virtainers/core';

/** Where PATH has a program, or undefined. Debian keeps some tools where only root's PATH looks; so do we. */
export async function findProgram(
  env: Readonly<Record<string, string | undefined>>,
  program: string,
): Promise<string | undefined> {
  const { PATH = '' } = env;
  const folders = [...PATH.split(delimiter).filter(Boolean), '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    const path = join(folder, program);
    if (await isAccessible(path, constants.X_OK)) return path;
  }
  return undefined;
}
