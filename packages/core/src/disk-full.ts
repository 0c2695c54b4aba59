import { VirtainersError } from './errors.ts';

/** Whether an error, of the system or of a program that we ran, says that a file system or a quota has no room left. */
export function saysDiskFull(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if (error instanceof VirtainersError) {
    return error.code === 'COMMAND_FAILED' && error.message.includes('No space left on device');
  }
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
}
