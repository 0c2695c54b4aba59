import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { VirtainersError } from '../errors.ts';
import { type Spawn, toolMissing } from '../exec.ts';
import { type FileLock, type NoLock, takeFileLock } from '../file-lock.ts';

/** Takes the data folder's lock for as long as the guest runs. Throws DATA_IN_USE, naming the holder. */
export async function lockFile(spawn: Spawn, path: string, holder: string): Promise<FileLock> {
  const lock = await takeFileLock(spawn, path);
  if ('reason' in lock) throw await failure(path, lock);
  await note(path, holder);
  return lock;
}

async function failure(path: string, { reason, message }: NoLock): Promise<VirtainersError> {
  if (reason === 'no flock') return toolMissing('flock');
  if (reason !== 'busy') {
    return new VirtainersError('DATA_UNWRITABLE', `locking ${path}: ${message}`, {
      hint: 'the data folder must be on a file system with locks, and the lock file must be readable',
    });
  }
  const holder = (await readFile(path, 'utf8').catch(() => '')).trim().slice(0, 200);
  return new VirtainersError('DATA_IN_USE', `locking ${path}: held by ${holder || 'another container'}`, {
    hint: 'one data folder serves one running virtual machine: stop the other one, or use another folder',
  });
}

/** For the message above; the lock holds without it. Written in place: a renamed file would be another lock. */
async function note(path: string, holder: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW;
  const handle = await open(path, flags).catch(() => undefined);
  await handle
    ?.writeFile(`${holder}\n`)
    .catch(() => undefined)
    .finally(() => handle.close());
}
