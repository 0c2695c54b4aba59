import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';

/** One file of the log, under whatever name it has now. */
export interface LogFile {
  readonly fd: number;
  readonly inode: bigint;
  /** How much of it was read. */
  position: number;
}

/** More backups than virtlogd keeps by default (virtlogd.conf, max_backups = 3). */
const BACKUPS = 10;

/**
 * Removes a log with its backups: a container that is started again still has that of its earlier lives, which has been told, and
 * in which a guest may have panicked or become ready.
 */
export async function removeLog(path: string): Promise<void> {
  for (const name of namesOf(path)) await rm(name, { force: true });
}

/** Oldest first. */
function namesOf(path: string): string[] {
  const backups = Array.from({ length: BACKUPS }, (_, index) => `${path}.${BACKUPS - 1 - index}`);
  return [...backups, path];
}

/**
 * The files of a rotated log in the order in which they were written: `vm.log` becomes `vm.log.0`, that one `vm.log.1`,
 * and so on. Each is opened as soon as it is seen and kept open while it has a name, so that a file which rotation
 * deletes can still be read, and no inode number comes back for another file.
 */
export class RotatedFiles {
  readonly #path: string;
  /** Oldest first; those before `#current` are read. */
  readonly #files: LogFile[] = [];
  #current = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** The file being read. */
  get current(): LogFile | undefined {
    return this.#files[this.#current];
  }

  /** A later file exists: nobody writes to the current one any more. */
  get currentIsFinished(): boolean {
    return this.#current + 1 < this.#files.length;
  }

  next(): void {
    this.#current += 1;
  }

  /** Looks for files not seen yet. Without waiting anywhere: the writer may rotate again at any moment. */
  scan(): void {
    for (;;) {
      const listed = namesOf(this.#path).map(openIfThere);
      const inodes = listed.map((file) => file?.inode);
      const stable = namesOf(this.#path).every((name, index) => inodeOf(name) === inodes[index]);
      const files = listed.filter((file) => file !== undefined);
      if (stable) {
        this.#adopt(files);
        return;
      }
      for (const file of files) closeSync(file.fd);
    }
  }

  close(): void {
    for (const file of this.#files.splice(0)) closeSync(file.fd);
    this.#current = 0;
  }

  #adopt(listed: readonly LogFile[]): void {
    for (const file of listed) {
      if (this.#files.some(({ inode }) => inode === file.inode)) closeSync(file.fd);
      else this.#files.push(file);
    }
    while (this.#current > 0 && !listed.some(({ inode }) => inode === this.#files[0]?.inode)) {
      const [gone] = this.#files.splice(0, 1);
      if (gone) closeSync(gone.fd);
      this.#current -= 1;
    }
  }
}

function openIfThere(path: string): LogFile | undefined {
  try {
    const fd = openSync(path, 'r');
    return { fd, inode: fstatSync(fd, { bigint: true }).ino, position: 0 };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}
