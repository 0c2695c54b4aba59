import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskNameOf, diskSerial, type Exec, readExtraDisk, VirtainersError } from '@virtainers/core';
import type { ExtraDisk } from '../../guest/disk.ts';
import { qemuCan } from '../data-folder.ts';
import { openAsQemu } from './open-as-qemu.ts';
import { type DiskAsk, type DiskCandidate, diskProblem, namesIn } from './source.ts';

/** `/volumes/*.{qcow2,raw,img}` (RancherVM's place), by name. */
export async function fileDisks(exec: Exec, ask: DiskAsk): Promise<DiskCandidate[]> {
  const names = await namesIn(ask.folders.files);
  return names.flatMap((file) => {
    const name = diskNameOf(file);
    const path = join(ask.folders.files, file);
    return name ? [{ name, from: path, examine: () => examine(exec, ask, name, path) }] : [];
  });
}

async function examine(exec: Exec, ask: DiskAsk, name: string, path: string): Promise<ExtraDisk> {
  const facts = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    throw diskProblem('DISK_REFUSED', path, cause.message);
  });
  if (facts.isDirectory()) {
    throw diskProblem(
      'CONFIG_INVALID',
      path,
      "it is a folder: the host's file was missing when the container was made",
    );
  }
  if (!facts.isFile()) throw diskProblem('CONFIG_INVALID', path, 'it is not a file', 'devices belong in /dev/vm');
  if (!(await qemuCan(exec, 'r', path, ask))) throw forbidden(ask, path, facts, 'read');
  const { format, virtualSize } = await readExtraDisk(path).catch((cause) => {
    if (cause instanceof VirtainersError) throw cause;
    throw diskProblem('DISK_REFUSED', path, cause.message);
  });
  const readonly = await isReadonly(path);
  if (!readonly && !(await qemuCan(exec, 'w', path, ask))) throw forbidden(ask, path, facts, 'write');
  await openAsQemu(exec, ask, { path, format });
  return {
    name,
    serial: diskSerial(name),
    from: path,
    place: { kind: 'file', path },
    format,
    size: virtualSize,
    readonly,
  };
}

/** Mounted :ro; whoever asks, access(2) says EROFS before it looks at permissions. */
async function isReadonly(path: string): Promise<boolean> {
  return access(path, constants.W_OK).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'EROFS',
  );
}

/** The file is the person's: its owner and mode are told, and never changed. */
function forbidden(
  { qemu }: DiskAsk,
  path: string,
  { uid, gid, mode }: { uid: number; gid: number; mode: number },
  verb: 'read' | 'write',
): VirtainersError {
  const owner = `owner ${uid}:${gid}, mode 0${(mode & 0o7777).toString(8)}`;
  const letters = verb === 'read' ? 'r' : 'rw';
  return diskProblem(
    verb === 'read' ? 'DISK_REFUSED' : 'DATA_UNWRITABLE',
    path,
    `QEMU (${qemu.uid}:${qemu.gid}) may not ${verb} it (${owner})`,
    [
      `on the host: setfacl -m u:${qemu.uid}:${letters} FILE, or chmod o+${letters} FILE (rootless Podman: podman unshare chown ${qemu.uid}:${qemu.gid} FILE)`,
      `run the container as the owner: --user ${uid}:${gid}`,
      ...(verb === 'write' ? ['mount it :ro'] : []),
    ].join('; or '),
  );
}
