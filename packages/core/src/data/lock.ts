import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { VirtainersError } from '../errors.ts';
import { type Child, type Spawn, toolMissing } from '../exec.ts';

export interface DataLock {
  /** Resolves when the lock ends before release(): someone killed its holder. */
  readonly lost: Promise<void>;
  release(): Promise<void>;
}

const CONFLICT = 75;

/**
 * Takes a kernel lock (flock(2)) on a file, held by a child, for Node has none of its own. The child ends with its
 * standard input, so that no stale lock outlives this process, however it dies; it has a session of its own, so that
 * Ctrl-C does not end it before the guest has stopped. Throws DATA_IN_USE, naming the holder.
 */
export async function lockFile(spawn: Spawn, path: string, holder: string): Promise<DataLock> {
  const options = ['--exclusive', '--nonblock', '--no-fork', '--conflict-exit-code', String(CONFLICT)];
  const child = spawn('flock', [...options, path, 'cat'], { stdin: 'pipe', stdout: 'pipe', detached: true });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const exitCode = await lockedOrEnded(child);
  if (exitCode !== undefined) throw await failure(path, exitCode, stderr);
  await note(path, holder);
  let released = false;
  return {
    lost: child.exited.then(() => (released ? new Promise<never>(() => undefined) : undefined)),
    release: async () => {
      released = true;
      child.stdin?.end();
      await child.exited;
    },
  };
}

/** `cat` runs, and so answers, only once the lock is held. Undefined: held; else the exit code. */
async function lockedOrEnded(child: Child): Promise<number | undefined> {
  child.stdin?.on('error', () => undefined);
  const answer = new Promise<undefined>((resolve) => {
    child.stdout?.once('data', () => resolve(undefined));
  });
  child.stdin?.write('locked\n');
  return Promise.race([answer, child.exited.then(({ exitCode }) => exitCode ?? -1)]);
}

async function failure(path: string, exitCode: number, stderr: string): Promise<VirtainersError> {
  if (exitCode === 127) return toolMissing('flock');
  if (exitCode !== CONFLICT) {
    return new VirtainersError(
      'DATA_UNWRITABLE',
      `locking ${path}: ${stderr.trim() || `flock ended with ${exitCode}`}`,
      {
        hint: 'the data folder must be on a file system with locks, and the lock file must be readable',
      },
    );
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
  await handle?.writeFile(`${holder}\n`).finally(() => handle.close());
}
