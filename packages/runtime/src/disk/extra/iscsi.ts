import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diskSerial, type Exec, type NetworkDisk } from '@virtainers/core';
import type { DiskSecret, ExtraDisk } from '../../guest/disk.ts';
import { askSize } from './open-network.ts';
import { type DiskAsk, diskProblem } from './source.ts';

type Iscsi = Extract<NetworkDisk, { protocol: 'iscsi' }>;

/** A logical unit of an iSCSI target; QEMU is the initiator, and the host knows nothing of it. */
export async function iscsiDisk(exec: Exec, ask: DiskAsk, disk: Iscsi): Promise<ExtraDisk> {
  const { uri, name, host, port, target, lun } = disk;
  const secret = await secretOf(disk);
  const portal = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const options = ['driver=iscsi', 'transport=tcp', `portal=${portal}`, `target=${target}`, `lun=${lun}`];
  const size = await withPassword(ask, diskSerial(name), secret, (file) => {
    if (file === undefined) return askSize(exec, uri, ['--image-opts', options.join()]);
    const object = `secret,id=password,file=${file}`;
    const chap = [...options, `user=${secret?.user}`, 'password-secret=password'].join();
    return askSize(exec, uri, ['--object', object, '--image-opts', chap]);
  });
  return {
    ...{ name, serial: diskSerial(name), from: uri, format: 'raw', size, readonly: disk.readonly },
    place: { kind: 'network', protocol: 'iscsi', name: `${target}/${lun}`, host: { name: host, port }, secret },
  };
}

async function secretOf({ uri, name, user, passwordFile }: Iscsi): Promise<DiskSecret | undefined> {
  if (user === undefined || passwordFile === undefined) return undefined;
  const text = await readFile(passwordFile, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw diskProblem('CONFIG_INVALID', uri, `reading ${passwordFile}: ${cause.message}`);
  });
  const password = text.replace(/\r?\n$/, '');
  if (password === '') throw diskProblem('CONFIG_INVALID', uri, `${passwordFile} is empty`);
  return { type: 'iscsi', user, usage: diskSerial(name), value: () => password };
}

/** QEMU reads a secret from a file to its last byte, so that the person's line break must not be in it. */
async function withPassword<T>(
  { nodes }: DiskAsk,
  name: string,
  secret: DiskSecret | undefined,
  use: (file: string | undefined) => Promise<T>,
): Promise<T> {
  if (!secret) return use(undefined);
  const file = join(nodes, `${name}.${process.pid}.password`);
  try {
    await mkdir(nodes, { recursive: true, mode: 0o755 });
    await writeFile(file, secret.value(), { mode: 0o600 });
    return await use(file);
  } finally {
    await rm(file, { force: true });
  }
}
