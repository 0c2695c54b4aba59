import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** A download under way: `data` and what the server called the version it is of. One process has it at a time. */
export interface Part {
  readonly folder: string;
  readonly data: string;
}

/** A part whose data nobody has touched for so long belongs to a process that is gone. */
const ABANDONED_MS = 5 * 60_000;

/**
 * Takes over what an earlier try for `key` has left under `parent`, or begins an empty part. A part is claimed by renaming
 * its folder, which one of two processes at most can do.
 */
export async function claimPart(parent: string, key: string): Promise<Part> {
  await mkdir(parent, { recursive: true });
  const folder = join(parent, `${key}.${randomBytes(6).toString('hex')}`);
  const claimed = (await tryRename(join(parent, key), folder)) || (await claimAbandoned(parent, key, folder));
  if (!claimed) await mkdir(folder);
  const data = join(folder, 'data');
  await writeFile(data, '', { flag: 'a' });
  return { folder, data };
}

/** Leaves the part for the next try. */
export async function releasePart(part: Part): Promise<void> {
  const free = join(dirname(part.folder), basename(part.folder).replace(/\.[0-9a-f]+$/, ''));
  if (!(await tryRename(part.folder, free))) await dropPart(part);
}

export async function dropPart(part: Part): Promise<void> {
  await rm(part.folder, { recursive: true, force: true });
}

/** An ETag or a date that If-Range takes (RFC 9110, 13.1.5). */
export async function readValidator(part: Part): Promise<string | undefined> {
  return readFile(join(part.folder, 'validator'), 'utf8').catch(() => undefined);
}

export async function writeValidator(part: Part, validator: string | undefined): Promise<void> {
  const path = join(part.folder, 'validator');
  await (validator === undefined ? rm(path, { force: true }) : writeFile(path, validator));
}

async function claimAbandoned(parent: string, key: string, folder: string): Promise<boolean> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${key}.`)) continue;
    const stats = await stat(join(parent, name, 'data')).catch(() => undefined);
    const old = stats !== undefined && Date.now() - stats.mtimeMs > ABANDONED_MS;
    if (old && (await tryRename(join(parent, name), folder))) return true;
  }
  return false;
}

async function tryRename(from: string, to: string): Promise<boolean> {
  return rename(from, to).then(
    () => true,
    () => false,
  );
}
