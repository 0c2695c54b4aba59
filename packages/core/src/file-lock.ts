import type { Child, Spawn } from './exec.ts';

export interface FileLock {
  /** Resolves when the lock ends before release(): someone killed its holder. */
  readonly lost: Promise<void>;
  release(): Promise<void>;
}

export interface FileLockOptions {
  /** Side by side with others who share it. */
  readonly shared?: boolean | undefined;
  /** Until whoever has it lets go; otherwise that is `busy`. */
  readonly wait?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Why there is no lock: another has it, flock(1) is not there, or the file or its file system does not allow it. */
export interface NoLock {
  readonly reason: 'busy' | 'no flock' | 'failed';
  readonly message: string;
}

const CONFLICT = 75;

/**
 * Takes a kernel lock (flock(2)) on a file, made if missing, held by a child, for Node has none of its own. The child ends
 * with its standard input, so that no stale lock outlives this process, however it dies; it has a session of its own, so
 * that Ctrl-C does not end it before its work is done.
 */
export async function takeFileLock(
  spawn: Spawn,
  path: string,
  { shared, wait, signal }: FileLockOptions = {},
): Promise<FileLock | NoLock> {
  const patience = wait ? [] : ['--nonblock', '--conflict-exit-code', String(CONFLICT)];
  const words = [shared ? '--shared' : '--exclusive', ...patience, '--no-fork', path, 'cat'];
  const child = spawn('flock', words, { stdin: 'pipe', stdout: 'pipe', detached: true });
  const stop = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  try {
    const exitCode = await lockedOrEnded(child);
    signal?.throwIfAborted();
    return exitCode === undefined ? held(child) : failure(exitCode, stderr);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

function held(child: Child): FileLock {
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

function failure(exitCode: number, stderr: string): NoLock {
  const reason = exitCode === CONFLICT ? 'busy' : exitCode === 127 ? 'no flock' : 'failed';
  return { reason, message: stderr.trim() || `flock ended with ${exitCode}` };
}
