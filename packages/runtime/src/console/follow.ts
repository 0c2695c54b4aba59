import { fstatSync, read, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { promisify } from 'node:util';
import { type LogFile, RotatedFiles } from './rotated-files.ts';

export interface FollowOptions {
  /** The log as virtlogd names it. Its folder exists; the file may come later. */
  readonly path: string;
  /** Gets every byte once, in order; the next ones are read when it is done. */
  write(bytes: Uint8Array): void | Promise<void>;
  /** Reading or writing failed; nothing is written any more. */
  onError?: ((error: unknown) => void) | undefined;
}

export interface Follower {
  /** Writes what the log holds now, then ends. */
  stop(): Promise<void>;
}

const CHUNK = 65536;
const readAt = promisify(read);

/**
 * Writes the guest's console from its first byte, across rotations. It wakes when the folder changes (inotify(7)) and
 * waits for nothing else; files are opened when they appear, so that a slow `write` loses nothing to rotation.
 */
export function followConsole({ path, write, onError }: FollowOptions): Follower {
  const files = new RotatedFiles(path);
  const bell = makeBell();
  const name = basename(path);
  let stopping = false;
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown) => {
    failure ??= { error };
    bell.ring();
  };
  const watcher = watch(dirname(path), (event, changed) => {
    if (changed !== null && !changed.startsWith(name)) return;
    if (event === 'rename') attempt(() => files.scan(), fail);
    bell.ring();
  });
  watcher.on('error', fail);
  attempt(() => files.scan(), fail);
  const more = async () => {
    if (failure) throw failure.error;
    if (stopping) return false;
    await bell.wait();
    return true;
  };
  const done = pump(files, write, more).catch((error) => onError?.(error));
  return {
    stop: async () => {
      attempt(() => files.scan(), fail);
      stopping = true;
      bell.ring();
      await done;
      watcher.close();
      files.close();
    },
  };
}

/** Writes all there is; at the end of it asks `more`, which waits for news, or says that none is wanted. */
async function pump(files: RotatedFiles, write: FollowOptions['write'], more: () => Promise<boolean>): Promise<void> {
  const buffer = Buffer.alloc(CHUNK);
  for (;;) {
    const file = files.current;
    const finished = files.currentIsFinished;
    const length = file ? await readNext(file, buffer) : 0;
    if (length > 0) await write(Buffer.from(buffer.subarray(0, length)));
    else if (finished) files.next();
    else if (!(await more())) return;
  }
}

async function readNext(file: LogFile, buffer: Buffer): Promise<number> {
  const { bytesRead } = await readAt(file.fd, buffer, 0, buffer.length, file.position);
  file.position += bytesRead;
  // A domain that is started again has its log emptied (virtlogd, append='off').
  if (bytesRead === 0 && fstatSync(file.fd).size < file.position) {
    file.position = 0;
    return readNext(file, buffer);
  }
  return bytesRead;
}

function attempt(action: () => void, fail: (error: unknown) => void): void {
  try {
    action();
  } catch (error) {
    fail(error);
  }
}

/** Remembers that it was rung until someone has waited for it. */
function makeBell(): { ring(): void; wait(): Promise<void> } {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring: () => {
      rung = true;
      wake?.();
    },
    wait: async () => {
      if (!rung) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      rung = false;
      wake = undefined;
    },
  };
}
