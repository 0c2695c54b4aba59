import { access } from 'node:fs/promises';
import { diskSerial, type Exec, type NetworkDisk } from '@virtainers/core';
import type { DiskSecret, ExtraDisk } from '../../guest/disk.ts';
import { qemuCan } from '../data-folder.ts';
import { findKeyring, readKey } from './keyring.ts';
import { askSize } from './open-network.ts';
import { type DiskAsk, diskProblem } from './source.ts';

type Rbd = Extract<NetworkDisk, { protocol: 'rbd' }>;

const DEFAULT_USER = 'admin';

/** An image in a Ceph pool. Ceph's own configuration says where the cluster is, its keyring who may. */
export async function rbdDisk(exec: Exec, ask: DiskAsk, disk: Rbd): Promise<ExtraDisk> {
  await requireConf(exec, ask, disk);
  const user = disk.user ?? DEFAULT_USER;
  const keyring = disk.keyring ?? (await findKeyring(disk.conf, user));
  if (keyring === undefined && disk.user !== undefined) {
    const hint = `put ceph.client.${user}.keyring beside ${disk.conf}, or say keyring=FILE`;
    throw diskProblem('CONFIG_INVALID', disk.uri, `there is no keyring for client.${user}`, hint);
  }
  const secret = keyring === undefined ? undefined : await secretOf(disk, user, keyring);
  const words = [`id=${user}`, `conf=${disk.conf}`, ...(keyring === undefined ? [] : [`keyring=${keyring}`])];
  const size = await askSize(exec, disk.uri, [[disk.uri, ...words].join(':')]);
  return {
    ...{ name: disk.name, serial: diskSerial(disk.name), from: disk.uri, format: 'raw', size, readonly: disk.readonly },
    place: { kind: 'network', protocol: 'rbd', name: `${disk.pool}/${disk.image}`, config: disk.conf, secret },
  };
}

/** QEMU itself reads it. */
async function requireConf(exec: Exec, ask: DiskAsk, { uri, conf }: Rbd): Promise<void> {
  const missing = await access(conf).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
  if (missing) {
    throw diskProblem('CONFIG_INVALID', uri, `there is no ${conf}`, 'mount it: -v /etc/ceph:/etc/ceph:ro');
  }
  if (await qemuCan(exec, 'r', conf, ask)) return;
  throw diskProblem(
    'CONFIG_INVALID',
    uri,
    `QEMU (${ask.qemu.uid}:${ask.qemu.gid}) may not read ${conf}`,
    'chmod a+r it',
  );
}

/** QEMU's user need not be able to read the keyring: libvirt hands the key over. */
async function secretOf({ uri, name }: Rbd, user: string, keyring: string): Promise<DiskSecret> {
  const key = await readKey(keyring, user).catch((cause: NodeJS.ErrnoException) => {
    const hint = 'the user that the container runs as has to be able to read it';
    throw diskProblem('CONFIG_INVALID', uri, `reading ${keyring}: ${cause.message}`, hint);
  });
  if (key === undefined) throw diskProblem('CONFIG_INVALID', uri, `there is no key of client.${user} in ${keyring}`);
  return { type: 'ceph', user, usage: diskSerial(name), value: () => key };
}
