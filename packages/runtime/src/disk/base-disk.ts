import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ChainLink,
  type Digest,
  type DiskFormat,
  digestFile,
  type Exec,
  makeQemuImg,
  readDiskHeader,
  VirtainersError,
} from '@virtainers/core';
import { qemuCan, type Users } from './data-folder.ts';

/** The disk under the overlay: the image's own, described by machine.json, or one that the user mounted. */
export type BaseDisk =
  | {
      readonly kind: 'baked';
      readonly path: string;
      readonly sha256: Digest;
      /** Of the file, in bytes. */
      readonly size: number;
      readonly virtualSize: number;
      /** Folder of the overlays that were published on it; they need not be there. */
      readonly overlays?: string | undefined;
      /** Hash it in full, whatever is recorded. */
      readonly verify?: boolean | undefined;
    }
  | {
      readonly kind: 'mounted';
      readonly path: string;
      /** Hash it in full, whatever is remembered. */
      readonly verify?: boolean | undefined;
    };

/**
 * The generic virtainer's disk: /image when it is a file, /image/image or the only file in /image when it is a folder.
 * Undefined when nothing is mounted there. Throws CONFIG_INVALID when there is no telling which file is meant.
 */
export async function findMountedImage(at = '/image'): Promise<string | undefined> {
  const facts = await stat(at).catch(() => undefined);
  if (!facts) return undefined;
  if (facts.isFile()) return at;
  if (!facts.isDirectory()) throw odd(at, 'neither a file nor a folder');
  const names = await readdir(at);
  if (names.includes('image') && (await stat(join(at, 'image'))).isFile()) return join(at, 'image');
  if (names.length === 0) throw odd(at, "an empty folder: the host's file was missing when the container was made");
  const [only] = names;
  if (names.length === 1 && only && (await stat(join(at, only))).isFile()) return join(at, only);
  throw odd(at, `a folder with ${names.length} entries and no file called image`);
}

function odd(at: string, what: string): VirtainersError {
  return new VirtainersError('CONFIG_INVALID', `looking for the disk at ${at}: ${what}`, {
    hint: 'mount one disk file: -v /path/to/disk.qcow2:/image:ro',
  });
}

/**
 * Reads what the base is; throws DISK_REFUSED, BASE_MISMATCH. A mounted one is hashed unless `known`, what an overlay lies
 * on, is the very same file.
 */
export async function readBase(
  exec: Exec,
  base: BaseDisk,
  known: ChainLink | undefined,
  users: Users,
): Promise<ChainLink> {
  const header = await readDiskHeader(base.path);
  await requireReadable(exec, base.path, users);
  if (base.kind === 'baked') return readBaked(base);
  const virtualSize = Number(header.virtualSize ?? (await askVirtualSize(exec, base.path, header.format)));
  return { path: base.path, format: header.format, virtualSize, ...(await identify(base, known)) };
}

/** Throws DISK_REFUSED when QEMU's user may not read it. */
export async function requireReadable(exec: Exec, path: string, users: Users): Promise<void> {
  if (await qemuCan(exec, 'r', path, users)) return;
  throw new VirtainersError('DISK_REFUSED', `opening ${path}: QEMU (uid ${users.qemu.uid}) may not read it`, {
    hint: 'on the host: chmod a+r on the file',
  });
}

async function readBaked(base: Extract<BaseDisk, { kind: 'baked' }>): Promise<ChainLink> {
  const { path, sha256, size, virtualSize } = base;
  const found = { size: (await stat(path)).size, sha256: base.verify ? await digestFile(path) : sha256 };
  if (found.size !== size || found.sha256 !== sha256) throw changed(path, { sha256, size }, found);
  return { path, sha256, size, virtualSize, format: 'qcow2' };
}

/** The error for a disk whose bytes are not those that were recorded when it was made. */
export function changed(path: string, made: Identity, found: Identity): VirtainersError {
  return new VirtainersError(
    'BASE_MISMATCH',
    `opening ${path}: recorded as ${made.sha256}, ${made.size} bytes; its bytes are ${found.sha256}, ${found.size} bytes`,
    { hint: 'the image was changed after it was made: remove it here and pull it again, or bake it again' },
  );
}

interface Identity {
  readonly sha256: string;
  readonly size: number;
}

async function askVirtualSize(exec: Exec, path: string, format: DiskFormat): Promise<number> {
  return (await makeQemuImg(exec).info(path, format))['virtual-size'];
}

async function identify({ path, verify }: { path: string; verify?: boolean | undefined }, known?: ChainLink) {
  const seen = await look(path);
  const size = Number(seen.size);
  if (!verify && known?.seen && same(known.seen, seen)) return { sha256: known.sha256, size, seen };
  return { sha256: await digestFile(path), size, seen };
}

async function look(path: string): Promise<NonNullable<ChainLink['seen']>> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return { inode: `${ino}`, size: `${size}`, mtime: `${mtimeNs}`, ctime: `${ctimeNs}` };
}

function same(a: NonNullable<ChainLink['seen']>, b: NonNullable<ChainLink['seen']>): boolean {
  return a.inode === b.inode && a.size === b.size && a.mtime === b.mtime && a.ctime === b.ctime;
}
