import { rm } from 'node:fs/promises';
import { type Log, type Spawn, VirtainersError } from '@virtainers/core';
import { type ServerRights, type Share, virtiofsdWords } from './plan.ts';

const PROGRAM = '/usr/libexec/virtiofsd';

/** What it says when it can be connected to; its socket is seen a moment before. */
const LISTENS = 'Waiting for vhost-user socket connection';

/** A program that serves one folder until QEMU goes away, which connects once (QEMU, hw/virtio/vhost-user-fs.c). */
export interface ShareServer {
  stop(): Promise<void>;
}

/** Starts one virtiofsd and waits until it listens on `socket`; `onLost` hears why it ended before the guest did. Throws DAEMON_FAILED. */
export async function startVirtiofsd(
  spawn: Spawn,
  log: Log,
  share: Share,
  socket: string,
  rights: ServerRights,
  onLost: (why: string) => void,
): Promise<ShareServer> {
  // One that was killed with its container leaves its socket and the file with its number.
  for (const stale of [socket, `${socket}.pid`]) await rm(stale, { force: true });
  const child = spawn(PROGRAM, virtiofsdWords(share, socket, rights), { detached: true });
  let said = '';
  const listens = new Promise<true>((resolve) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000);
      if (said.includes(LISTENS)) resolve(true);
      for (const line of text.split('\n')) if (line) log.debug(`virtiofsd of ${share.name}: ${line}`);
    });
  });
  child.stdout?.resume();
  const first = await Promise.race([listens, child.exited]);
  if (first !== true) {
    throw new VirtainersError(
      'DAEMON_FAILED',
      `sharing ${share.folder}: virtiofsd ended with ${first.signal ?? `exit code ${first.exitCode}`}\n${said.trimEnd().replace(/^/gm, '  ')}`,
    );
  }
  let stopping = false;
  void child.exited.then(({ exitCode, signal }) => {
    if (stopping || exitCode === 0) return;
    onLost(`virtiofsd of ${share.folder} ended with ${signal ?? `exit code ${exitCode}`}`);
  });
  return {
    stop: async () => {
      stopping = true;
      child.kill('SIGTERM');
      await child.exited;
    },
  };
}
