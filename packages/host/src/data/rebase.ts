import { constants } from 'node:fs';
import { chmod, chown, copyFile, link, lstat, open, rename, rm, stat } from 'node:fs/promises';
import { type BuildContext, rebaseOverlay } from '@virtainers/builder';
import {
  bindOverlay,
  type ChainLink,
  type DataPaths,
  listSnapshots,
  putMemoryAside,
  readSidecar,
  type Sidecar,
  syncDirectory,
  VirtainersError,
} from '@virtainers/core';
import type { HostContext } from '../context.ts';
import { insecureRegistries } from '../publish/references.ts';
import { rewriteSidecar, withLockedFolder } from './data-folder.ts';

export interface RebaseWords {
  readonly folder: string;
  /** The image whose disk it shall lie on. */
  readonly onto: string;
  /** Where the image is that it was made from; otherwise as it was run. */
  readonly base?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** What a sidecar says while overlay and sidecar do not belong together: a header never names that. */
const INTERRUPTED = '(a rebase was interrupted: run `virtainers rebase` again)';

/**
 * Moves a data folder onto another image's disk; the guest's disk stays the same, byte for byte. The old overlay is kept until
 * the new one was compared with it; saved memory is put aside. Killed at any moment, the folder has the old pair, the new one, or one that every start
 * refuses and the next rebase puts back. What withLockedFolder and rebaseOverlay throw.
 */
export async function rebaseData(context: HostContext, build: BuildContext, words: RebaseWords): Promise<ChainLink[]> {
  return withLockedFolder(context, words.folder, putBack, async ({ paths, sidecar, header }) => {
    if (sidecar.chain.some(({ seen }) => seen !== undefined) || sidecar.chain.length === 0) {
      throw new VirtainersError('DISK_REFUSED', `rebasing ${paths.overlay}: it lies on the disk of no image`);
    }
    if (header.snapshots > 0) await refuseSnapshots(context, paths);
    const references = [words.base ?? sidecar.reference ?? []].flat();
    const insecure = insecureRegistries(words.insecure, words.base, words.onto);
    try {
      // Another one there, left by a start or put there as a link, is not written through.
      await rm(paths.temp, { force: true });
      await copyFile(paths.overlay, paths.temp, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
      const { chain } = sidecar;
      const virtualSize = Number(header.virtualSize);
      const files = { copy: paths.temp, overlay: paths.overlay, virtualSize };
      const next = await rebaseOverlay(build, { onto: words.onto, ...files, chain, references, insecure });
      await bindOverlay(paths.temp, next);
      const aside = await putMemoryAside(paths, new Date());
      if (aside)
        context.log.warn(`saved memory does not fit the new base and is put aside as ${aside}; the guest boots`);
      await exchange(paths, sidecar, { ...sidecar, chain: [...next], reference: words.onto, diffIDs: undefined });
      return [...next];
    } finally {
      await rm(paths.temp, { force: true });
    }
  });
}

/** What they do not hold themselves they would read from the new base. */
async function refuseSnapshots({ exec }: HostContext, { overlay }: DataPaths): Promise<never> {
  const names = (await listSnapshots(exec, overlay)).map(({ name }) => name).join(' ');
  throw new VirtainersError(
    'DISK_REFUSED',
    `rebasing ${overlay}: it has snapshots, which belong to its base: ${names}`,
    {
      hint: `remove them first: virtainers snapshot rm FOLDER ${names}`,
    },
  );
}

function previous({ overlay }: DataPaths): string {
  return `${overlay}.before-rebase`;
}

/** Two files cannot be renamed at once: in between the sidecar is one that fits neither overlay. */
async function exchange(paths: DataPaths, old: Sidecar, next: Sidecar): Promise<void> {
  await keepOwner(paths.overlay, paths.temp);
  const handle = await open(paths.temp, 'r+');
  await handle.sync().finally(() => handle.close());
  await link(paths.overlay, previous(paths));
  const [top, ...below] = next.chain.toReversed();
  if (!top) throw new Error('a chain without links');
  await rewriteSidecar(paths, { ...next, chain: [...below.reverse(), { ...top, path: INTERRUPTED }], before: old });
  await rename(paths.temp, paths.overlay);
  await syncDirectory(paths.folder);
  await rewriteSidecar(paths, next);
  await rm(previous(paths));
}

/** After a rebase that was killed. Only the holder of the lock may call it. */
async function putBack(paths: DataPaths): Promise<void> {
  const facts = await lstat(previous(paths)).catch(() => undefined);
  if (facts === undefined) return;
  if (!facts.isFile()) throw new VirtainersError('DISK_REFUSED', `opening ${previous(paths)}: not a regular file`);
  const sidecar = await readSidecar(paths.sidecar);
  const { before } = (sidecar ?? {}) as { before?: Sidecar };
  if (before && sidecar?.chain.at(-1)?.path === INTERRUPTED) {
    // rename(2) does nothing where both names are one file, which they are until the new overlay is in place.
    await rename(previous(paths), paths.overlay);
    await syncDirectory(paths.folder);
    await rewriteSidecar(paths, before);
  }
  await rm(previous(paths), { force: true });
}

async function keepOwner(from: string, to: string): Promise<void> {
  const { uid, gid, mode } = await stat(from);
  await chown(to, uid, gid);
  await chmod(to, mode);
}
