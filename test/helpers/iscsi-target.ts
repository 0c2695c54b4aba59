import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec, requireTool, spawn, waitFor } from './process.ts';
import { tempFolder } from './temp-folder.ts';

/** An iSCSI target of its own (tgt, in user space), with one disk that a user with a password may have. */
export interface IscsiTarget {
  readonly uri: string;
  readonly user: string;
  readonly password: string;
  stop(): Promise<void>;
}

const TARGET = 'iqn.2026-01.example:store';

/** `address`: of this machine, where initiators reach it. */
export async function startIscsiTarget(address: string, port: number, bytes: number): Promise<IscsiTarget> {
  await requireTool('tgtd', 'tgtadm');
  const folder = await tempFolder('iscsi');
  const disk = join(folder, 'disk');
  await writeFile(disk, '');
  await truncate(disk, bytes);
  const [user, password] = ['me', 'a-secret-of-16-letters'];
  // tgtd(8): several of them on one machine need a control socket each.
  const env = { TGT_IPC_SOCKET: join(folder, 'socket') };
  const child = spawn('tgtd', ['-f', '--iscsi', `portal=${address}:${port}`], {
    env,
    stdout: 'ignore',
    stderr: 'ignore',
  });
  const stop = async () => {
    child.kill('SIGKILL');
    await child.exited;
  };
  const admin = (mode: string, op: string, ...more: string[]) =>
    exec('tgtadm', ['--lld', 'iscsi', '--mode', mode, '--op', op, ...more], { env });
  try {
    const first = ['--tid', '1'];
    await waitFor('tgtd', () => admin('target', 'new', ...first, '--targetname', TARGET).then(() => true), 20_000);
    await admin('logicalunit', 'new', ...first, '--lun', '1', '--backing-store', disk);
    await admin('account', 'new', '--user', user, '--password', password);
    await admin('account', 'bind', ...first, '--user', user);
    await admin('target', 'bind', ...first, '--initiator-address', 'ALL');
    return { uri: `iscsi://${address}:${port}/${TARGET}/1`, user, password, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
