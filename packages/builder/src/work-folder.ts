import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildContext } from './context.ts';
import { lives, type Owner, thisHost, thisProcess } from './owner.ts';

/** The folders of the cache in which bakes work. */
const WORKSHOPS = ['disks', 'features', 'roots', 'tools', 'tmp'] as const;

export type Workshop = (typeof WORKSHOPS)[number];

const DAY_MS = 24 * 3600 * 1000;

/** A folder for the time of `use`, in the cache's folder `workshop`; `use` may give it another name, under which it stays. */
export async function withCacheFolder<T>(
  ctx: Pick<BuildContext, 'cacheDir'>,
  workshop: Workshop,
  label: string,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const parent = join(ctx.cacheDir, workshop);
  await mkdir(parent, { recursive: true });
  return withFolder(parent, label, use);
}

/**
 * The same in TMPDIR, open to read for everyone: mmdebstrap of an ordinary user works under another id
 * (user_namespaces(7)), which cannot look into a home directory.
 */
export async function withWorkFolder<T>(
  ctx: Pick<BuildContext, 'env'>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  return withFolder(temporary(ctx), 'virtainers', async (folder) => {
    await chmod(folder, 0o755);
    return use(folder);
  });
}

/**
 * Removes the folders of bakes that were killed. Names tell their owners from their first moment, so that a living bake's
 * is never taken for one of those. What cannot be removed is left: it is no reason not to bake.
 */
export async function sweepWorkFolders(ctx: Pick<BuildContext, 'cacheDir' | 'env' | 'log'>): Promise<void> {
  const host = await thisHost().catch(() => undefined);
  for (const parent of [...WORKSHOPS.map((name) => join(ctx.cacheDir, name)), temporary(ctx)]) {
    for (const name of await readdir(parent).catch(() => [])) {
      const owner = parseMark(name);
      const path = join(parent, name);
      if (!owner || !(await isAbandoned(path, owner, host).catch(() => false))) continue;
      ctx.log.debug(`removing ${path}, which a killed bake left behind`);
      await rm(path, { recursive: true, force: true }).catch((error: Error) => ctx.log.debug(error.message));
    }
  }
}

/** The end of a work folder's name, but for the random one. */
export function markOf({ host, pid, start }: Owner): string {
  return `bake-${host}-${pid}-${start}`;
}

async function withFolder<T>(parent: string, label: string, use: (folder: string) => Promise<T>): Promise<T> {
  // Without /proc nobody can tell whether this process lives: a host that nobody is leaves it to the folder's age.
  const owner = await thisProcess().catch(() => ({ host: randomBytes(6).toString('hex'), pid: 0, start: 0 }));
  const folder = await mkdtemp(join(parent, `${label}.${markOf(owner)}.`));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whose a folder is, by its name. */
export function parseMark(name: string): Owner | undefined {
  const [, host, pid, start] = /\.bake-([0-9a-f]{12})-(\d+)-(\d+)\.\w{6}$/.exec(name) ?? [];
  return host === undefined ? undefined : { host, pid: Number(pid), start: Number(start) };
}

/** On another host, which a shared cache may have, a process cannot be looked for: a day is longer than any bake. */
export async function isAbandoned(path: string, owner: Owner, host: string | undefined): Promise<boolean> {
  const { uid, mtimeMs } = await lstat(path);
  // TMPDIR is everyone's: what others put there under such a name is not followed.
  if (uid !== (await stat('/proc/self')).uid) return false;
  return owner.host === host ? !(await lives(owner)) : Date.now() - mtimeMs > DAY_MS;
}

function temporary({ env }: Pick<BuildContext, 'env'>): string {
  return env['TMPDIR'] || '/tmp';
}
