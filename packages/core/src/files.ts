import { randomBytes } from 'node:crypto';
import { access, type FileHandle, mkdir, open, rename, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

/** What an ordinary user may still write to the file system of `path`, in bytes (statvfs(3)). */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Whether this process may do that with the file; without `mode`, whether it is there (access(2), fs.constants). */
export function isAccessible(path: string, mode?: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

/** Writes all of it: one write(2) may take less, as where the disk gets full. */
export async function writeAll(handle: Pick<FileHandle, 'write'>, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

/** Makes what was renamed into `directory` survive a power cut (fsync(2): a file's entry needs a sync of its own). */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes a file so that readers see the old or the new one and nothing between: temp in the same folder, fsync, rename.
 * `write` fills the temp file; when it throws, nothing is left behind.
 */
export async function writeAtomically(
  path: string,
  write: (handle: FileHandle, temp: string) => Promise<void>,
  mode = 0o644,
): Promise<void> {
  const temp = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const handle = await open(temp, 'wx', mode);
  try {
    await write(handle, temp);
    await handle.sync();
    await handle.close();
    await rename(temp, path);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(temp, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

export async function writeFileAtomically(path: string, content: string | Uint8Array, mode?: number): Promise<void> {
  await writeAtomically(path, (handle) => handle.writeFile(content), mode);
}

/**
 * Makes a folder and what is missing above it. mkdir's own `recursive` tries for ever where a file system says that
 * the parent is missing while it is there (Linux, in /proc).
 */
export async function makeFolders(path: string, mode = 0o755): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolders(dirname(path), mode);
    await mkdir(path, { mode });
  }
}
