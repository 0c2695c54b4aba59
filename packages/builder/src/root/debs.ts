import { copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile, VirtainersError, writeAtomically } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { Lock, LockedPackage } from './lock.ts';
import { withWorkFolder } from './work-folder.ts';

const APT_HELPER = '/usr/lib/apt/apt-helper';

/** A package and the file that holds it. */
export interface Deb extends LockedPackage {
  readonly file: string;
}

/**
 * The .debs of a lock, from the cache or the mirror; each one's size and sha256 are those of the lock.
 * Throws LOCK_STALE, naming those that the mirror no longer has, SOURCE_UNAVAILABLE or DIGEST_MISMATCH.
 */
export async function fetchDebs(ctx: BuildContext, lock: Lock, mirror: string, name: string): Promise<Deb[]> {
  const blobs = join(ctx.cacheDir, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const debs = lock.packages.map((locked) => ({ ...locked, file: join(blobs, locked.sha256) }));
  const missing = await asyncFilter(debs, async (deb) => !(await isWhole(deb)));
  if (missing.length > 0) {
    ctx.log.debug(`fetching ${missing.length} of ${debs.length} packages of ${name}`);
    await download(ctx, missing, mirror, name);
  }
  return debs;
}

async function download(ctx: BuildContext, debs: readonly Deb[], mirror: string, name: string): Promise<void> {
  await withWorkFolder(ctx, async (folder) => {
    const words = debs.flatMap((deb) => [`${mirror}/${deb.path}`, join(folder, deb.sha256), `SHA256:${deb.sha256}`]);
    const result = await ctx.exec(APT_HELPER, ['-o', 'APT::Sandbox::User=', '-q', 'download-file', ...words], {
      env: { LC_ALL: 'C' },
      allowFailure: true,
      signal: ctx.signal,
    });
    const absent = await asyncFilter(debs, async (deb) => !(await exists(join(folder, deb.sha256))));
    if (absent.length > 0) throw notFetched(absent, result.stderr, name);
    for (const deb of debs) {
      const file = join(folder, deb.sha256);
      if (!(await isWhole({ ...deb, file }))) {
        throw new VirtainersError('DIGEST_MISMATCH', `fetching ${deb.path}: not the bytes that the lock names`);
      }
      await copyInto(file, deb.file);
    }
  });
}

function notFetched(absent: readonly Deb[], stderr: string, name: string): VirtainersError {
  const list = absent.map((deb) => `${deb.name} ${deb.version}`).join(', ');
  if (/\b404\b/.test(stderr)) {
    return new VirtainersError('LOCK_STALE', `the mirror no longer has what ${name}.lock names: ${list}`, {
      hint: 'bake with --update-lock to take the versions that it has now',
    });
  }
  return new VirtainersError(
    'SOURCE_UNAVAILABLE',
    `fetching packages of ${name}: ${list}\n${stderr.trim().slice(-1500)}`,
    {
      hint: 'is the network up?',
    },
  );
}

/** TMPDIR and the cache may be two file systems, across which rename(2) does not go. */
async function copyInto(from: string, to: string): Promise<void> {
  await writeAtomically(to, async (_, temp) => copyFile(from, temp));
}

async function isWhole(deb: Deb): Promise<boolean> {
  const size = await stat(deb.file).then(
    (stats) => stats.size,
    () => -1,
  );
  return size === deb.size && (await digestFile(deb.file)) === `sha256:${deb.sha256}`;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function asyncFilter<T>(items: readonly T[], test: (item: T) => Promise<boolean>): Promise<T[]> {
  const verdicts = await Promise.all(items.map(test));
  return items.filter((_, index) => verdicts[index]);
}
