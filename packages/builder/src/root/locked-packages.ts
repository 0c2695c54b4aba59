import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { VirtainersError, writeFileAtomically } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { resolvePackages } from './apt.ts';
import { downloadDebs } from './debs.ts';
import {
  formatLock,
  type Lock,
  type LockedPackage,
  type PackageSelection,
  parseLock,
  selectionDigest,
} from './lock.ts';

/** Above it a mirror is broken rather than between two states. */
const MOST_AVOIDED = 8;

export interface LockOptions {
  /** Folder of lock files that count; by default images/ beside the command. */
  readonly lockDir?: string | undefined;
  /** Ask the mirror again, and write what it has now. */
  readonly updateLock?: boolean | undefined;
}

/**
 * The versions that a bake uses: of the given lock file; else those that an earlier bake recorded in the cache; else
 * the mirror's, which are then recorded. Says where they stand. Throws LOCK_STALE for a lock of another selection.
 */
export async function lockedPackages(
  ctx: BuildContext,
  selection: PackageSelection,
  options: LockOptions = {},
): Promise<Lock> {
  const given = join(options.lockDir ?? join(ctx.assetsDir, 'images'), `${selection.name}.lock`);
  const recorded = join(ctx.cacheDir, 'locks', `${selection.name}.lock`);
  const lock = await readLock(given);
  if (options.updateLock) return resolveInto(ctx, selection, lock || options.lockDir ? given : recorded);
  if (lock) return fitting(lock, selection, given);
  const known = await readLock(recorded).catch(() => undefined);
  if (known?.selection === selectionDigest(selection)) {
    ctx.log.debug(`${selection.name}: package versions as in ${recorded}`);
    return known;
  }
  return resolveInto(ctx, selection, recorded);
}

async function resolveInto(ctx: BuildContext, selection: PackageSelection, path: string): Promise<Lock> {
  const lock = await resolveWhatIsThere(ctx, selection);
  const text = formatLock(lock);
  await mkdir(dirname(path), { recursive: true });
  await writeFileAtomically(path, text);
  ctx.log.info(`${selection.name}: ${lock.packages.length} package versions written to ${path}`);
  return parseLock(text, path);
}

/** Mirrors can list a package that they do not have; then its next older version is taken, which is said. */
async function resolveWhatIsThere(
  ctx: BuildContext,
  selection: PackageSelection,
  avoid: readonly LockedPackage[] = [],
): Promise<Lock> {
  const lock = await resolvePackages(ctx, selection, avoid);
  const gone = await downloadDebs(ctx, lock, selection.mirror, selection.name);
  if (gone.length === 0) return lock;
  const list = gone.map((locked) => `${locked.name} ${locked.version}`).join(', ');
  if (avoid.length + gone.length > MOST_AVOIDED) {
    throw new VirtainersError(
      'SOURCE_UNAVAILABLE',
      `${selection.mirror} lists packages that it does not have: ${list}`,
    );
  }
  ctx.log.warn(`${selection.name}: ${selection.mirror} lists ${list} and does not have it; taking an older version`);
  return resolveWhatIsThere(ctx, selection, [...avoid, ...gone]);
}

function fitting(lock: Lock, selection: PackageSelection, path: string): Lock {
  if (lock.selection === selectionDigest(selection)) return lock;
  throw new VirtainersError('LOCK_STALE', `${path} was made for other packages than the definition names now`, {
    hint: 'bake with --update-lock to make it again',
  });
}

async function readLock(path: string): Promise<Lock | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new VirtainersError('DEFINITION_INVALID', `reading ${path}: ${error.message}`, { cause: error });
  });
  return text === undefined ? undefined : parseLock(text, path);
}
