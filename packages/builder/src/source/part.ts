import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { thisHost, thisProcess } from '../owner.ts';
import { isAbandoned, markOf, parseMark } from '../work-folder.ts';

/** A download under way: `data`, and what is known of it. One process has it at a time. */
export interface Part {
  readonly folder: string;
  readonly data: string;
}

const stateSchema = z.object({
  /** What the server called the version that this is of: an ETag, or a date that If-Range takes (RFC 9110, 13.1.5). */
  validator: z.string().optional(),
  /** Bytes of the whole file. */
  total: z.int().nonnegative().optional(),
  ranges: z.array(z.tuple([z.int().nonnegative(), z.int().nonnegative()])),
});

/** What of the file is there. */
export type PartState = z.infer<typeof stateSchema>;

/**
 * Takes over what an earlier try for `key` has left under `parent`, orderly or killed, or begins an empty part. A part is
 * claimed by renaming its folder, which one of two processes at most can do.
 */
export async function claimPart(parent: string, key: string): Promise<Part> {
  await mkdir(parent, { recursive: true });
  // Without /proc a part is its own, and left to prune when its process is killed.
  const owner = await thisProcess().catch(() => ({ host: randomBytes(6).toString('hex'), pid: 0, start: 0 }));
  const folder = join(parent, `${key}.${markOf(owner)}.${randomBytes(3).toString('hex')}`);
  const claimed = await claimLeft(parent, key, folder);
  if (!claimed) await mkdir(folder);
  const data = join(folder, 'data');
  await writeFile(data, '', { flag: 'a' });
  return { folder, data };
}

/** Leaves the part for the next try. */
export async function releasePart(part: Part): Promise<void> {
  const free = join(dirname(part.folder), basename(part.folder).split('.', 1)[0] ?? '');
  if (!(await tryRename(part.folder, free))) await dropPart(part);
}

export async function dropPart(part: Part): Promise<void> {
  await rm(part.folder, { recursive: true, force: true });
}

/** Nothing, where it was not written or is of another version of virtainers. */
export async function readState(part: Part): Promise<PartState> {
  try {
    return stateSchema.parse(JSON.parse(await readFile(join(part.folder, 'state.json'), 'utf8')));
  } catch {
    return { ranges: [] };
  }
}

/** Not synced: after a power cut the file's sum tells, and where none is known, its length. */
export async function writeState(part: Part, state: PartState): Promise<void> {
  const path = join(part.folder, 'state.json');
  await writeFile(`${path}.tmp`, JSON.stringify(state));
  await rename(`${path}.tmp`, path);
}

/** One of the parts that nobody works on; the others are of no use then. */
async function claimLeft(parent: string, key: string, folder: string): Promise<boolean> {
  const host = await thisHost().catch(() => undefined);
  let claimed = false;
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    const owner = name.startsWith(`${key}.`) ? parseMark(name) : undefined;
    const free = owner ? await isAbandoned(path, owner, host).catch(() => false) : name === key;
    if (free && claimed) await rm(path, { recursive: true, force: true });
    else if (free) claimed = await tryRename(path, folder);
  }
  return claimed;
}

async function tryRename(from: string, to: string): Promise<boolean> {
  return rename(from, to).then(
    () => true,
    () => false,
  );
}
