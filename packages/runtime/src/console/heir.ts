import { closeSync, constants, openSync } from 'node:fs';
import { appendFile, readdir, readlink, rename, stat } from 'node:fs/promises';
import { Socket } from 'node:net';
import { CONSOLE_LOG_BYTES } from '../daemon/driver.ts';

export interface ConsoleHeir {
  /** Reads on where virtlogd, which was killed or had no room, has stopped; what there is no room for is dropped. */
  takeOver(): void;
  /** Returns when what was read is written. */
  stop(): Promise<unknown>;
}

/**
 * Second reading ends of the pipes on which QEMU writes the guest's console and its own words. virtlogd's are gone for good when
 * that is killed (another one knows nothing of them) or cannot write, and QEMU stands still at a full one. Nothing is read here
 * before takeOver: from then on both go into the console's log, rotated as virtlogd did, for nothing tells which is which.
 * Undefined where virtlogd has no such pipe that may be opened.
 */
export async function makeConsoleHeir(virtlogd: number, log: string): Promise<ConsoleHeir | undefined> {
  const paths = await loggedPipes(`/proc/${virtlogd}`).catch(() => []);
  const fds = paths.flatMap(openPipe);
  if (fds.length === 0) return undefined;
  let last: Promise<unknown> = Promise.resolve();
  const write = (bytes: Buffer) => {
    last = last.then(() => append(log, bytes)).catch(() => undefined);
    return last;
  };
  let pipes: Socket[] | undefined;
  return {
    takeOver: () => {
      pipes ??= fds.map((fd) => forward(fd, write));
    },
    stop: async () => {
      if (pipes) for (const pipe of pipes) pipe.destroy();
      else for (const fd of fds) closeSync(fd);
      await last;
    },
  };
}

/** Nothing where it is gone, or another user's: one that virtlogd was started with, and not QEMU's. */
function openPipe(path: string): number[] {
  try {
    return [openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)];
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOENT', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return [];
  }
}

/** The next bytes are read when the last are written. */
function forward(fd: number, write: (bytes: Buffer) => Promise<unknown>): Socket {
  const pipe = new Socket({ fd, readable: true, writable: false });
  pipe.on('error', () => undefined);
  pipe.on('data', (bytes) => {
    pipe.pause();
    void write(bytes).then(() => pipe.resume());
  });
  return pipe;
}

/** Those that a process reads and does not itself write (proc_pid_fd(5)). */
async function loggedPipes(process: string): Promise<string[]> {
  const paths = (await readdir(`${process}/fd`)).map((number) => `${process}/fd/${number}`);
  const files = await Promise.all(paths.map(async (path) => ({ path, target: await readlink(path).catch(() => '') })));
  const pipes = files.filter(({ target }) => target.startsWith('pipe:'));
  const once = pipes.filter(({ target }) => pipes.filter((other) => other.target === target).length === 1);
  return once.map(({ path }) => path);
}

/** Appends to a log, and begins a new one when it is full. */
async function append(path: string, bytes: Uint8Array): Promise<void> {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  if (size >= CONSOLE_LOG_BYTES) await rename(path, `${path}.0`);
  await appendFile(path, bytes, { mode: 0o600 });
}
