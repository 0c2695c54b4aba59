import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Setup } from './engines.ts';
import { repository } from './folders.ts';
import { becoming } from './person.ts';
import { requireTool, waitFor } from './process.ts';
import type { Slot } from './slot.ts';

/** dockerd in the slot's network namespace: its bridge and its rules never touch the host's. */
export async function dockerIn(slot: Slot): Promise<Setup> {
  await requireTool('dockerd', 'docker', 'containerd', 'runc', 'iptables', 'nsenter');
  const socket = `unix://${join(slot.folder, 'docker.sock')}`;
  const env = { DOCKER_HOST: socket, DOCKER_CONFIG: join(slot.folder, 'client') };
  const { exec, spawn } = becoming({ namespace: slot.name, env });
  const { stdout: version } = await exec('dockerd', ['--version']);
  await writeFile(join(slot.folder, 'daemon.json'), JSON.stringify(settings(slot, version)));
  const child = spawn('dockerd', daemonArguments(slot, socket), { detached: true, stdout: 'ignore' });
  let log = '';
  child.stderr?.on('data', (chunk) => {
    log = (log + String(chunk)).slice(-3000);
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await child.exited;
  };
  const ended = child.exited.then(({ exitCode }) => {
    throw new Error(`dockerd ended with ${exitCode}:\n${log}`);
  });
  try {
    await Promise.race([ended, waitFor('dockerd', () => exec('docker', ['version']), 60_000)]);
  } catch (error) {
    await stop();
    throw error;
  }
  ended.catch(() => undefined);
  return { exec, spawn, env, owner: { uid: 0, gid: 0 }, address: slot.address, stop };
}

function daemonArguments(slot: Slot, socket: string): string[] {
  const gateway = slot.subnet.replace('.0/', '.1/');
  return [
    ...['--config-file', join(slot.folder, 'daemon.json')],
    ...['--host', socket, '--group', 'root'],
    ...['--data-root', join(slot.folder, 'data'), '--exec-root', join(slot.folder, 'exec')],
    ...['--pidfile', join(slot.folder, 'dockerd.pid')],
    ...['--bip', gateway, '--default-address-pool', `base=${slot.spare}.0/24,size=28`],
    ...[
      '--add-runtime',
      `bounded=${join(repository, 'test/fixtures/runc-within-bounds')}`,
      '--default-runtime',
      'bounded',
    ],
    ...['--default-ulimit', 'nofile=20000:20000'],
    ...['--log-level', 'warn'],
  ];
}

/** Names come from nobody but a test. Docker 20.10 writes a key below /etc unless it is told where; newer ones have no key and refuse the setting. */
function settings(slot: Slot, version: string): object {
  const key = / 20\.10\./.test(version) ? { 'deprecated-key-path': join(slot.folder, 'key.json') } : {};
  return { dns: [slot.host], ...key };
}
