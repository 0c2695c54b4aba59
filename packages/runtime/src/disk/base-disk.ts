import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Digest,
  type DiskFormat,
  digestFile,
  type Exec,
  makeQemuImg,
  readDiskHeader,
  VirtainersError,
} from '@virtainers/core';
import { qemuCan, type Users } from './data-folder.ts';
import type { Sidecar, SidecarBase } from './sidecar.ts';

/** The disk under the overlay: the image's own, described by machine.json, or one that the user mounted. */
export type BaseDisk =
  | {
      readonly kind: 'baked';
      readonly path: string;
      readonly sha256: Digest;
      /** Of the file, in bytes. */
      readonly size: number;
      readonly virtualSize: number;
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

/** Reads what the base is; throws DISK_REFUSED. A mounted one is hashed unless the sidecar has seen the very same file. */
export async function readBase(
  exec: Exec,
  base: BaseDisk,
  sidecar: Sidecar | undefined,
  users: Users,
): Promise<SidecarBase> {
  const header = await readDiskHeader(base.path);
  if (!(await qemuCan(exec, 'r', base.path, users))) {
    throw new VirtainersError('DISK_REFUSED', `opening ${base.path}: QEMU (uid ${users.qemu.uid}) may not read it`, {
      hint: 'on the host: chmod a+r on the file',
    });
  }
  if (base.kind === 'baked') {
    const { path, sha256, size, virtualSize } = base;
    return { path, sha256, size, virtualSize, format: 'qcow2' };
  }
  const virtualSize = Number(header.virtualSize ?? (await askVirtualSize(exec, base.path, header.format)));
  return { path: base.path, format: header.format, virtualSize, ...(await identify(base, sidecar?.base)) };
}

async function askVirtualSize(exec: Exec, path: string, format: DiskFormat): Promise<number> {
  return (await makeQemuImg(exec).info(path, format))['virtual-size'];
}

async function identify({ path, verify }: { path: string; verify?: boolean | undefined }, known?: SidecarBase | null) {
  const seen = await look(path);
  const size = Number(seen.size);
  if (!verify && known?.seen && same(known.seen, seen)) return { sha256: known.sha256, size, seen };
  return { sha256: await digestFile(path), size, seen };
}

async function look(path: string): Promise<NonNullable<SidecarBase['seen']>> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return { inode: `${ino}`, size: `${size}`, mtime: `${mtimeNs}`, ctime: `${ctimeNs}` };
}

function same(a: NonNullable<SidecarBase['seen']>, b: NonNullable<SidecarBase['seen']>): boolean {
  return a.inode === b.inode && a.size === b.size && a.mtime === b.mtime && a.ctime === b.ctime;
}
