import type { Dirent } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, IN_IMAGE, type Machine, QEMU_GID, QEMU_UID, VirtainersError } from '@virtainers/core';
import { type LayerPlan, planLayer } from './layer.ts';
import type { TarEntry } from './tar.ts';

const owner = { uid: QEMU_UID, gid: QEMU_GID };

/** The qcow2 that goes into an image. */
export interface DiskFile {
  readonly path: string;
  readonly sha256: Digest;
  readonly size: number;
}

/**
 * /disk/disk.qcow2, alone in its folder (KubeVirt's containerDisk takes the only file there), and machine.json, which
 * describes it. Without a disk, machine.json alone.
 */
export async function planDiskLayer(machine: Machine, disk: DiskFile | undefined, mtime: number): Promise<LayerPlan> {
  const description: TarEntry[] = [
    { path: relative('/etc/virtainers'), mode: 0o755 },
    { path: relative(IN_IMAGE.machine), mode: 0o644, content: [Buffer.from(`${JSON.stringify(machine, null, 2)}\n`)] },
  ];
  if (!disk) return planLayer('disk', description, mtime);
  const content = [{ path: disk.path, size: disk.size, digest: disk.sha256 }];
  const files: TarEntry[] = [
    { path: relative('/disk'), mode: 0o755, ...owner },
    { path: relative(IN_IMAGE.disk), mode: 0o444, ...owner, content },
  ];
  return planLayer('disk', [...files, ...description], mtime);
}

/** runtime.mjs, templates/ and the programs of bin/ from the folder of built files: the same bytes in every image. */
export async function planAppLayer(assetsDir: string, mtime: number): Promise<LayerPlan> {
  const runtime = await readFile(join(assetsDir, 'runtime.mjs')).catch((cause) => {
    throw new VirtainersError('TOOL_MISSING', `${join(assetsDir, 'runtime.mjs')} is missing`, {
      hint: 'build it: npm run build',
      cause,
    });
  });
  const entries: TarEntry[] = [
    { path: relative(IN_IMAGE.app), mode: 0o755 },
    { path: relative(IN_IMAGE.runtime), mode: 0o644, content: [runtime] },
    { path: relative(IN_IMAGE.templates), mode: 0o755 },
    ...(await folderEntries(join(assetsDir, 'templates'), relative(IN_IMAGE.templates), 0o644)),
    // A new named volume takes its owner from here, so that `--user 107:107` may write to it.
    { path: relative(IN_IMAGE.data), mode: 0o755, ...owner },
    { path: relative(IN_IMAGE.bin), mode: 0o755 },
    ...(await folderEntries(join(assetsDir, 'bin'), relative(IN_IMAGE.bin), 0o755)),
  ];
  return planLayer('app', entries, mtime);
}

async function folderEntries(folder: string, path: string, mode: number): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    entries.push(...(await folderEntry(entry, join(folder, entry.name), `${path}/${entry.name}`, mode)));
  }
  return entries;
}

/** Modes are given, so that neither umask nor checkout decides them. */
async function folderEntry(entry: Dirent, from: string, path: string, mode: number): Promise<TarEntry[]> {
  if (entry.isDirectory()) return [{ path, mode: 0o755 }, ...(await folderEntries(from, path, mode))];
  if (entry.isFile()) return [{ path, mode, content: [await readFile(from)] }];
  throw new VirtainersError('ARCHIVE_INVALID', `adding ${from} to an image: it is neither a file nor a folder`);
}

function relative(path: string): string {
  return path.slice(1);
}
