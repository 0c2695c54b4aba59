import { saysDiskFull, VirtainersError } from '@virtainers/core';
import type { BuildContext } from './context.ts';

const UNWRITABLE = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'];

/** What the system says of the cache, by ourselves or by a program that we run, as DISK_FULL or CACHE_UNWRITABLE; any other error as it is. */
export function nameCacheFailure({ cacheDir }: Pick<BuildContext, 'cacheDir'>, error: unknown): unknown {
  if (saysDiskFull(error)) return diskFull(cacheDir, error);
  if (!(error instanceof Error) || error instanceof VirtainersError) return error;
  const { code = '', path = '', message } = error as NodeJS.ErrnoException;
  if (!UNWRITABLE.includes(code) || !path.startsWith(cacheDir)) return error;
  return new VirtainersError('CACHE_UNWRITABLE', `writing to the cache ${cacheDir}: ${message}`, {
    hint: 'give a folder that you may write to with --cache-dir, or set XDG_CACHE_HOME',
    cause: error,
  });
}

function diskFull(cacheDir: string, cause: Error): VirtainersError {
  return new VirtainersError('DISK_FULL', `working in ${cacheDir}: ${cause.message}`, {
    hint: 'free some space there or in TMPDIR (virtainers cache prune), or keep the cache elsewhere with --cache-dir',
    cause,
  });
}
