import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { dataPaths, VirtainersError } from '@virtainers/core';
import type { FoundContainer } from '../engine/container.ts';
import { dataPlace, unlessAbsent } from './data-place.ts';

/** What a data folder's lock file says of who uses it; a start writes it before anything else. */
interface Note {
  readonly text: string;
  /** Seconds since 1970, for engines copy no more of a file's time. */
  readonly written: number;
}

/**
 * For the data of a stopped container that nobody can lock from here, because only its engine reaches it: done is `copy`, unless by
 * the folder's own note somebody uses it, or has come meanwhile. `folder` is for the note. DATA_IN_USE.
 */
export async function copyUnlocked(
  container: FoundContainer,
  kernel: string,
  folder: string,
  copy: () => Promise<void>,
): Promise<void> {
  const { client, facts } = container;
  const { lock } = dataPaths(dataPlace({ kernel }, container).inside);
  const before = await readNote(container, lock, folder);
  const [holder = ''] = (before?.text ?? '').slice(0, 200).split('\n');
  if (await isAlive(container, holder)) throw inUse(container, `held by ${holder}`);
  await copy();
  const after = await readNote(container, lock, folder);
  const now = await client.container(facts.name);
  if (isDeepStrictEqual(before, after) && now?.id === facts.id && !now.running) return;
  throw inUse(container, 'a virtual machine was started on it while it was copied');
}

async function readNote({ client, facts }: FoundContainer, lock: string, folder: string): Promise<Note | undefined> {
  const path = join(folder, 'note');
  await rm(path, { force: true });
  const there = await client.copyOut(facts.name, lock, path).then(
    () => true,
    (error: Error) => unlessAbsent(error) ?? false,
  );
  if (!there) return undefined;
  return { text: await readFile(path, 'utf8'), written: Math.floor((await stat(path)).mtimeMs / 1000) };
}

/** Whoever was killed has left the note behind: this container itself, which is stopped, or another of this engine that is. */
async function isAlive({ client, facts }: FoundContainer, holder: string): Promise<boolean> {
  if (holder === '' || holder === facts.hostname) return false;
  const other = /^[a-zA-Z0-9][\w.-]*$/.test(holder) ? await client.container(holder) : undefined;
  return other?.running ?? true;
}

function inUse({ client, facts }: FoundContainer, why: string): VirtainersError {
  const { program } = client.dialect;
  return new VirtainersError('DATA_IN_USE', `copying the disk of ${facts.name}: ${why}`, {
    hint: `stop whatever uses its volume; if nothing does, start and stop it once (${program} start ${facts.name}), or give its data folder as its owner or as root`,
  });
}
