import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { IN_IMAGE } from '@virtainers/core';
import { isMountedReadonly } from './mountinfo.ts';

/** Something that was mounted in the folder of shares. */
export interface SharedEntry {
  readonly name: string;
  readonly path: string;
  readonly kind: 'folder' | 'file' | 'other';
  /** It lies on a file system that is mounted read-only. */
  readonly readonly: boolean;
  readonly uid: number;
  readonly gid: number;
}

/** What the container has for its guest, by name; `mountinfo` is the text of /proc/self/mountinfo. */
export async function readSharedEntries(mountinfo: string, folder: string = IN_IMAGE.shares): Promise<SharedEntry[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return Promise.all(names.sort().map((name) => look(name, join(folder, name), mountinfo)));
}

async function look(name: string, path: string, mountinfo: string): Promise<SharedEntry> {
  const facts = await stat(path);
  const kind = facts.isDirectory() ? 'folder' : facts.isFile() ? 'file' : 'other';
  return { name, path, kind, readonly: isMountedReadonly(mountinfo, path), uid: facts.uid, gid: facts.gid };
}
