import { join, resolve } from 'node:path';

/** Where bakes are kept: asked for, else as the XDG Base Directory Specification says. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>, home: string, wanted?: string): string {
  if (wanted !== undefined) return resolve(wanted);
  const { XDG_CACHE_HOME } = env;
  return join(XDG_CACHE_HOME || join(home, '.cache'), 'virtainers');
}
