import { randomUUID } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Child } from '@virtainers/core';
import { exec, requireTool, spawn } from './process.ts';
import { tempFolder } from './temp-folder.ts';

/** A Ceph of one node: a monitor, and an OSD on a file. */
export interface Ceph {
  /** What a client's /etc/ceph holds: ceph.conf and the keyring of client.me, which may use the pool `disks`, for root alone. */
  readonly clients: string;
  /** That user's key. */
  readonly key: string;
  /** Ceph's `rbd`, as its administrator. */
  rbd(...args: string[]): Promise<string>;
  stop(): Promise<void>;
}

/** `address`: of this machine, where clients reach it. */
export async function startCeph(address: string, port: number): Promise<Ceph> {
  await requireTool('ceph-mon', 'ceph-osd', 'ceph', 'rbd', 'ceph-authtool', 'monmaptool');
  const folder = await tempFolder('ceph');
  const monitor = `v1:${address}:${port}`;
  const cluster = `fsid = ${randomUUID()}\nmon host = ${monitor}\n`;
  const conf = join(folder, 'ceph.conf');
  await writeFile(conf, `[global]\n${cluster}${serverSettings(folder, address)}`);
  for (const name of ['mon', 'osd', 'clients']) await mkdir(join(folder, name));
  const run = async (program: string, ...args: string[]) => (await exec(program, ['-c', conf, ...args])).stdout.trim();
  const ceph = (...args: string[]) => run('ceph', '--connect-timeout', '30', ...args);
  const children: Child[] = [];
  const stop = async () => {
    for (const child of children.reverse()) {
      child.kill('SIGTERM');
      await child.exited;
    }
  };
  const serve = (program: string, id: string) => {
    children.push(spawn(program, ['-c', conf, '-f', '-i', id], { stdout: 'ignore', stderr: 'ignore' }));
  };
  try {
    const keyring = await makeKeyring(folder);
    const map = join(folder, 'monmap');
    const { stdout: fsid } = await exec('ceph-conf', ['-c', conf, '--lookup', 'fsid']);
    await exec('monmaptool', ['--create', '--addv', 'a', `[${monitor}]`, '--fsid', fsid.trim(), map]);
    await run('ceph-mon', '-i', 'a', '--mkfs', '--monmap', map, '--keyring', keyring);
    serve('ceph-mon', 'a');
    await ceph('auth', 'import', '-i', keyring);
    const osd = randomUUID();
    await ceph('osd', 'new', osd, '0');
    await run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd);
    serve('ceph-osd', '0');
    await ceph('osd', 'pool', 'create', 'disks', '8');
    await ceph('osd', 'pool', 'application', 'enable', 'disks', 'rbd');
    const own = join(folder, 'clients/ceph.client.me.keyring');
    await writeFile(own, `${await ceph('auth', 'get-or-create', 'client.me', ...RIGHTS)}\n`);
    await chmod(own, 0o600);
    await writeFile(join(folder, 'clients/ceph.conf'), `[global]\n${cluster}`);
    const key = await ceph('auth', 'print-key', 'client.me');
    return { clients: join(folder, 'clients'), key, rbd: (...args) => run('rbd', ...args), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Ceph, "Block device commands": what a user of one pool needs. */
const RIGHTS = ['mon', 'profile rbd', 'osd', 'profile rbd pool=disks'];

/** Those who make up the cluster, and its administrator. */
async function makeKeyring(folder: string): Promise<string> {
  const keyring = join(folder, 'keyring');
  const caps = (...words: string[]) => words.flatMap((word) => ['--cap', word, 'allow *']);
  await exec('ceph-authtool', ['--create-keyring', keyring, '--gen-key', '-n', 'mon.', ...caps('mon')]);
  await exec('ceph-authtool', [keyring, '--gen-key', '-n', 'client.admin', ...caps('mon', 'osd', 'mgr')]);
  await exec('ceph-authtool', [keyring, '--gen-key', '-n', 'osd.0', ...caps('mon', 'osd', 'mgr')]);
  return keyring;
}

/** One copy of everything, in one folder; no manager, which only counts. */
function serverSettings(folder: string, address: string): string {
  const settings = {
    'auth cluster required': 'cephx',
    'auth service required': 'cephx',
    'auth client required': 'cephx',
    'public addr': address,
    'osd pool default size': '1',
    'osd pool default min size': '1',
    'osd crush chooseleaf type': '0',
    'mon allow pool size one': 'true',
    'mon data avail warn': '2',
    'mon data avail crit': '1',
    'osd objectstore': 'bluestore',
    'bluestore block create': 'true',
    'bluestore block size': String(2 * 1024 ** 3),
    'osd memory target': '939524096',
    'mon data': `${folder}/mon`,
    'osd data': `${folder}/osd`,
    keyring: `${folder}/keyring`,
    'run dir': folder,
    'admin socket': `${folder}/$name.asok`,
    'pid file': `${folder}/$name.pid`,
    'log file': `${folder}/$name.log`,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('');
}
