import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { VirtainersError } from '../errors.ts';
import { type Spawn, toolMissing } from '../exec.ts';
import { type FileLock, type NoLock, takeFileLock } from '../file-lock.ts';

/**
 * The data folder's lock. Its file tells others who has it, and which file a machine that runs has for its overlay: one that
 * finds the note beside another file has a copy that was made meanwhile.
 */
export interface DataLock extends FileLock {
  /** Inode of the overlay of a machine that has not let go: it was killed, or this folder is a copy of its own. */
  readonly left: string | undefined;
  /** Notes that a machine runs on that overlay, until release(). */
  running(inode: string): Promise<void>;
}

/** Takes the data folder's lock for as long as the guest runs. Throws DATA_IN_USE, naming the holder. */
export async function lockFile(spawn: Spawn, path: string, holder: string): Promise<DataLock> {
  const lock = await takeFileLock(spawn, path);
  if ('reason' in lock) throw await failure(path, lock);
  const left = RUNS.exec(await readFile(path, 'utf8').catch(() => ''))?.[1];
  let after = left;
  await note(path, holder, left);
  return {
    left,
    lost: lock.lost,
    running: async (inode) => {
      after = undefined;
      await note(path, holder, inode);
    },
    release: async () => {
      await note(path, '', after);
      await lock.release();
    },
  };
}

const RUNS = /^runs on inode (\d+)$/m;

async function failure(path: string, { reason, message }: NoLock): Promise<VirtainersError> {
  if (reason === 'no flock') return toolMissing('flock');
  if (reason !== 'busy') {
    return new VirtainersError('DATA_UNWRITABLE', `locking ${path}: ${message}`, {
      hint: 'the data folder must be on a file system with locks, and the lock file must be readable',
    });
  }
  const [holder = ''] = (await readFile(path, 'utf8').catch(() => '')).slice(0, 200).split('\n');
  return new VirtainersError('DATA_IN_USE', `locking ${path}: held by ${holder || 'another container'}`, {
    hint: 'one data folder serves one running virtual machine: stop the other one, or use another folder',
  });
}

/** The lock holds without it. Written in place: a renamed file would be another lock. */
async function note(path: string, holder: string, inode: string | undefined): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_TRUNC | constants.O_NOFOLLOW;
  const handle = await open(path, flags).catch(() => undefined);
  const runs = inode === undefined ? '' : `runs on inode ${inode}\n`;
  await handle
    ?.writeFile(`${holder}\n${runs}`)
    .catch(() => undefined)
    .finally(() => handle.close());
}
