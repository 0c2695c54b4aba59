import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Where PATH has a program, or undefined. Debian keeps some tools where only root's PATH looks; so do we. */
export async function findProgram(
  env: Readonly<Record<string, string | undefined>>,
  program: string,
): Promise<string | undefined> {
  const { PATH = '' } = env;
  const folders = [...PATH.split(delimiter).filter(Boolean), '/usr/sbin', '/sbin'];
  for (const folder of folders) {
    const path = join(folder, program);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
