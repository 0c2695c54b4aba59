import { readdir, readFile, stat } from 'node:fs/promises';
import {
  type ChainLink,
  checkOverlayHeader,
  digestFile,
  type Exec,
  overlayPaths,
  parseOverlay,
  readQcow2Header,
  type Sidecar,
  VirtainersError,
} from '@virtainers/core';
import { type BaseDisk, changed, readBase, requireReadable } from './base-disk.ts';
import type { Users } from './data-folder.ts';

/**
 * What the image brings for an overlay to lie on: the base disk, then the overlays that were published on it, each checked
 * against the one below before QEMU opens any, by what was recorded when it was made; `verify`: against its bytes, too.
 * DISK_REFUSED, BASE_MISMATCH.
 */
export async function readImageChain(
  exec: Exec,
  base: BaseDisk | undefined,
  sidecar: Sidecar | undefined,
  users: Users,
): Promise<ChainLink[]> {
  if (!base) return [];
  const chain = [await readBase(exec, base, sidecar?.chain[0], users)];
  const folder = base.kind === 'baked' ? base.overlays : undefined;
  const count = folder === undefined ? 0 : await countOverlays(folder);
  for (let number = 1; number <= count; number += 1) {
    const below = chain.at(-1) as ChainLink;
    const paths = overlayPaths(number, folder);
    chain.push(await readLink(paths, below, base.verify ?? false));
    await requireReadable(exec, paths.disk, users);
  }
  return chain;
}

/** They are numbered from 1; one that is missing in between shows when it is read. */
async function countOverlays(folder: string): Promise<number> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return Math.max(0, ...names.map((name) => Number(/^([1-9]\d{0,3})\.(?:qcow2|json)$/.exec(name)?.[1] ?? 0)));
}

async function readLink(paths: ReturnType<typeof overlayPaths>, below: ChainLink, verify: boolean): Promise<ChainLink> {
  const { disk, description } = paths;
  const said = parseOverlay(await readPart(description), description);
  if (said.on !== below.sha256) {
    throw new VirtainersError(
      'BASE_MISMATCH',
      `opening ${disk}: it was published on ${said.on}; in this image it lies on ${below.path}, ${below.sha256}`,
      {
        hint: 'the image was put together wrongly: pull it again, or publish it again; a data folder that was made on it as it was goes on elsewhere: virtainers rebase FOLDER IMAGE, or virtainers publish FOLDER REF --flatten',
      },
    );
  }
  const header = await readQcow2Header(disk).catch(() => undefined);
  if (!header) throw new VirtainersError('DISK_REFUSED', `opening ${disk}: not a qcow2 disk of a known version`);
  checkOverlayHeader(header, below.path, disk);
  const { size } = await stat(disk);
  const sha256 = verify ? await digestFile(disk) : said.sha256;
  if (size !== said.size || sha256 !== said.sha256) throw changed(disk, said, { size, sha256 });
  return { path: disk, format: 'qcow2', sha256, size, virtualSize: Number(header.virtualSize) };
}

async function readPart(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new VirtainersError('DISK_REFUSED', `reading ${path}: ${cause.message}`, {
      hint: 'the image lacks a part of its published overlays: pull it again',
      cause,
    });
  });
}
