import { copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile, VirtainersError, writeAtomically } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { requireNetwork } from '../offline.ts';
import { withWorkFolder } from '../work-folder.ts';
import { RETRIES } from './apt.ts';
import type { Lock, LockedPackage } from './lock.ts';

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
  const gone = await downloadDebs(ctx, lock, mirror, name);
  if (gone.length === 0) return lock.packages.map((locked) => ({ ...locked, file: fileOf(ctx, locked) }));
  const list = gone.map((deb) => `${deb.name} ${deb.version}`).join(', ');
  throw new VirtainersError('LOCK_STALE', `the mirror no longer has what ${name}.lock names: ${list}`, {
    hint: 'bake with --update-lock to take the versions that it has now',
  });
}

/** Puts the .debs into the cache. Returns those that the mirror says it does not have. */
export async function downloadDebs(
  ctx: BuildContext,
  lock: Lock,
  mirror: string,
  name: string,
): Promise<LockedPackage[]> {
  await mkdir(blobs(ctx), { recursive: true });
  const missing = await asyncFilter(lock.packages, async (locked) => !(await isWhole(locked, fileOf(ctx, locked))));
  if (missing.length === 0) return [];
  requireNetwork(ctx, `${missing.length} packages of ${name}`);
  ctx.log.debug(`fetching ${missing.length} of ${lock.packages.length} packages of ${name}`);
  return withWorkFolder(ctx, async (folder) => {
    const target = (locked: LockedPackage) => join(folder, locked.sha256);
    const words = missing.flatMap((locked) => [`${mirror}/${locked.path}`, target(locked), `SHA256:${locked.sha256}`]);
    const settings = ['-o', 'APT::Sandbox::User=', '-o', `Acquire::Retries=${RETRIES}`];
    const { stderr } = await ctx.exec(APT_HELPER, [...settings, '-q', 'download-file', ...words], {
      allowFailure: true,
      signal: ctx.signal,
    });
    const absent = await asyncFilter(missing, async (locked) => !(await exists(target(locked))));
    for (const locked of missing) if (!absent.includes(locked)) await keep(ctx, locked, target(locked));
    const gone = absent.filter((locked) => isNotFound(stderr, `${mirror}/${locked.path}`));
    if (gone.length < absent.length) throw notFetched(absent, stderr, name);
    return gone;
  });
}

async function keep(ctx: BuildContext, locked: LockedPackage, file: string): Promise<void> {
  if (await isWhole(locked, file)) return copyInto(file, fileOf(ctx, locked));
  throw new VirtainersError('DIGEST_MISMATCH', `fetching ${locked.path}: not the bytes that the lock names`);
}

/** apt: `E: Failed to fetch http://…/a_1_amd64.deb  404  Not Found [IP: …]`. */
function isNotFound(stderr: string, url: string): boolean {
  return stderr.split('\n').some((line) => line.includes(url) && /\s(404|410)\s/.test(line));
}

function notFetched(absent: readonly LockedPackage[], stderr: string, name: string): VirtainersError {
  const list = absent.map((locked) => `${locked.name} ${locked.version}`).join(', ');
  return new VirtainersError(
    'SOURCE_UNAVAILABLE',
    `fetching packages of ${name}: ${list}\n${stderr.trim().slice(-1500)}`,
    {
      hint: 'is the network up?',
    },
  );
}

function blobs(ctx: BuildContext): string {
  return join(ctx.cacheDir, 'blobs', 'sha256');
}

function fileOf(ctx: BuildContext, locked: LockedPackage): string {
  return join(blobs(ctx), locked.sha256);
}

/** TMPDIR and the cache may be two file systems, across which rename(2) does not go. */
async function copyInto(from: string, to: string): Promise<void> {
  await writeAtomically(to, async (_, temp) => copyFile(from, temp));
}

async function isWhole(locked: LockedPackage, file: string): Promise<boolean> {
  const size = await stat(file).then(
    (stats) => stats.size,
    () => -1,
  );
  return size === locked.size && (await digestFile(file)) === `sha256:${locked.sha256}`;
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
