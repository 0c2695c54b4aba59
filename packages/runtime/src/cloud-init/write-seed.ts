import { chmod, chown, mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Exec, makeFolders, syncDirectory, VirtainersError } from '@virtainers/core';
import type { SeedPlan } from './seed.ts';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Where the seed goes: CLOUD_INIT_DISK, else the first of /, /run and /tmp that can be written. */
export async function seedPath(
  given: string | undefined,
  isWritable: (folder: string) => Promise<boolean>,
): Promise<string> {
  if (given !== undefined) return given;
  for (const folder of ['/', '/run', '/tmp']) if (await isWritable(folder)) return join(folder, 'cloud_init.iso');
  throw new VirtainersError(
    'CONFIG_INVALID',
    'looking for a place for the cloud-init seed: none of /, /run and /tmp can be written',
    {
      hint: 'give the container a writable /tmp (--tmpfs /tmp), or set CLOUD_INIT_DISK',
    },
  );
}

/**
 * Writes the planned files as an ISO labelled cidata, which is how NoCloud finds it. The same plan gives the same bytes.
 * It may hold a password, so that only `owner` (QEMU; undefined: this process) may read it. Whole or not there at all.
 */
export async function writeSeed(
  exec: Exec,
  plan: Extract<SeedPlan, { kind: 'files' }>,
  path: string,
  owner: Owner | undefined,
): Promise<void> {
  const work = await workFolder(path);
  try {
    const files = join(work, 'files');
    const iso = join(work, 'seed.iso');
    await mkdir(files, { mode: 0o700 });
    for (const { name, content } of plan.files) await writeFile(join(files, name), content, { mode: 0o600 });
    await exec('xorriso', isoArgs(files, iso), { env: { SOURCE_DATE_EPOCH: '315532800', TZ: 'UTC' } });
    await chmod(iso, 0o600);
    if (owner) await chown(iso, owner.uid, owner.gid);
    await syncFile(iso);
    await rename(iso, path).catch((cause: Error) => {
      throw unwritable(path, cause);
    });
    await syncDirectory(dirname(path));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Every file owned by root and readable; dates come from SOURCE_DATE_EPOCH (xorrisofs(1), "--set_all_file_dates"). */
function isoArgs(folder: string, iso: string): string[] {
  const sameBytes = ['--set_all_file_dates', '1980010100000000', '-uid', '0', '-gid', '0', '-file-mode', '0444'];
  return ['-as', 'mkisofs', '-quiet', '-V', 'cidata', '-J', '-R', ...sameBytes, '-o', iso, folder];
}

async function workFolder(path: string): Promise<string> {
  try {
    await makeFolders(dirname(path));
    return await mkdtemp(join(dirname(path), '.cloud-init-'));
  } catch (cause) {
    throw unwritable(path, cause as Error);
  }
}

function unwritable(path: string, cause: Error): VirtainersError {
  return new VirtainersError('CONFIG_INVALID', `writing the cloud-init seed to ${path}: ${cause.message}`, {
    hint: 'set CLOUD_INIT_DISK to a path that can be written; an ISO of your own is mounted at /tmp/cloud_init.iso',
    cause,
  });
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}
