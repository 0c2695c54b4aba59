import { access, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES, type Engine, type EngineName, startEngine } from '../helpers/engines.ts';
import { fastCommand, fastGuest } from '../helpers/fast-guest.ts';
import { checkFilesystem } from '../helpers/filesystem.ts';
import { freePort } from '../helpers/ports.ts';
import { waitFor } from '../helpers/process.ts';
import { makeKey, sshInto } from '../helpers/ssh.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { bakedImage, fastImage, startVirtainer, throughEngine, type Virtainer } from '../helpers/virtainer.ts';

interface Way {
  readonly title: string;
  readonly options: readonly string[];
  readonly mode: 'nat' | 'ports';
  /** Podman lets no ordinary user open port 22, Docker does; this is what the log says to add. */
  readonly forLowPorts?: readonly string[];
}

/** Docker's seccomp profile does not let passt make its sandbox. */
const FOR_PORTS = { docker: 'user', podman: 'passt' } as const;

const TUN = ['--cap-add', 'NET_ADMIN', '--device', '/dev/net/tun'];

const WAYS = {
  privileged: { title: '--privileged', options: ['--privileged'], mode: 'nat' },
  tun: { title: 'NET_ADMIN and tun', options: TUN, mode: 'nat' },
  kvm: { title: 'NET_ADMIN, tun and kvm', options: [...TUN, '--device', '/dev/kvm'], mode: 'nat' },
  plain: { title: 'default capabilities and no device', options: [], mode: 'ports' },
  locked: {
    title: '--user 107:107, no capability, a read-only root',
    options: [
      ...['--user', '107:107', '--cap-drop', 'ALL', '--read-only', '--security-opt', 'no-new-privileges'],
      ...['--tmpfs', '/tmp'],
    ],
    mode: 'ports',
    forLowPorts: ['--sysctl', 'net.ipv4.ip_unprivileged_port_start=0'],
  },
} as const satisfies Record<string, Way>;

/** A machine without KVM has no node to give. */
const hasKvm = await access('/dev/kvm').then(
  () => true,
  () => false,
);
const ways: readonly Way[] = Object.values(WAYS).filter((way) => hasKvm || way !== WAYS.kvm);

/** The real guest once an engine; every way is gone by the small one. */
const DEBIAN: Readonly<Record<EngineName, Way>> = {
  docker: WAYS.plain,
  podman: WAYS.tun,
  'podman-rootless': WAYS.locked,
};

const engines = new Map<EngineName, Engine>();
let volumes = 0;

beforeAll(async () => {
  for (const name of ENGINES) engines.set(name, await startEngine(name));
});

afterAll(async () => {
  for (const engine of engines.values()) await engine.stop();
});

describe.each(ENGINES)('the small guest in %s', (name) => {
  let image: string;

  beforeAll(async () => {
    const fast = await fastImage();
    await engineNamed(name).load(fast.archive);
    image = fast.reference;
  });

  test.each(ways)('$title: it runs, and its data outlive the container', async ({ options, mode, forLowPorts }) => {
    const engine = engineNamed(name);
    const volume = nextVolume();
    const port = await freePort();
    const settings = ['-v', `${volume}:/mounted`, '-p', `${port}:23`, '-e', 'RAM=256', '-e', 'PORTS=22,23,80'];
    const start = () => startVirtainer(engine, image, [...settings, ...options]);
    // The small guest shows the way without the extra option, Debian the one with it.
    const inside = engine.kind === 'podman' && forLowPorts !== undefined;
    const guest = (virtainer: Virtainer, command: string) =>
      inside ? throughEngine(engine, virtainer, command) : throughPort(engine, port, command);

    const first = await start();
    const status = await first.reached('ready');
    const expected = mode === 'ports' ? FOR_PORTS[engine.kind] : mode;
    expect(status.network?.mode).toBe(expected);
    expect((await first.log()).slice(0, 3000)).toContain(`network: ${expected}`);
    await guest(first, 'echo kept > /data/file; sync');
    await first.remove();

    const second = await start();
    await second.reached('ready');
    expect(await guest(second, 'cat /data/file')).toBe('kept\n');
    await stopCleanly(engine, second);
    await checkFilesystem(await overlayIn(engine, volume), await fastGuest());
    await second.remove();
  });
});

describe('Debian 13', () => {
  let archive: string;
  let reference: string;

  beforeAll(async () => {
    ({ archive, reference } = await bakedImage('debian:13-packages'));
  });

  test.concurrent.each(ENGINES)(
    'in %s: log in, write, and in those of root begin again on the same data',
    { timeout: 1_200_000 },
    async (name) => {
      const engine = engineNamed(name);
      await engine.load(archive);
      const { key, publicKey } = await makeKey(await tempFolder('key'));
      const shared = await engine.folder('debian');
      await copyFile(publicKey, join(shared, 'key.pub'));
      const volume = nextVolume();
      const port = await freePort();
      const { options, forLowPorts = [] } = DEBIAN[name];
      const mounts = ['-v', `${volume}:/mounted`, '-v', `${shared}/key.pub:/tmp/id_rsa.pub:ro`];
      const extra = engine.kind === 'podman' ? forLowPorts : [];
      const start = (...more: string[]) =>
        startVirtainer(engine, reference, [...mounts, '-p', `${port}:22`, ...options, ...extra, ...more]);
      const ssh = (command: string) => sshInto({ host: engine.address, port, user: 'debian', key }, command);

      const first = await start();
      await first.reached('ready');
      expect(await ssh('cloud-init status')).toBe('status: done');
      expect(await ssh('systemctl is-system-running')).toBe('running');
      await ssh('echo kept > file; sync');
      await first.remove();
      // What the small guest shows of the third need not be shown again by a slow one.
      if (name === 'podman-rootless') return;

      // A larger disk in both; what cloud-init is given stays the same in one, and changes in the other.
      const changed = name === 'podman';
      const second = await start('-e', 'DISK_SIZE=12G', ...(changed ? ['-e', 'PASSWORD=another'] : []));
      await second.reached('ready');
      expect(await ssh('cat file')).toBe('kept');
      expect(Number(await ssh('df --output=size -B1 / | tail -n 1'))).toBeGreaterThan(11 * 1024 ** 3);
      expect(await ssh('ls /var/lib/cloud/instances | wc -l')).toBe(changed ? '2' : '1');
      expect(await ssh('sudo passwd -S debian | cut -d " " -f 2')).toBe(changed ? 'P' : 'L');
      await stopCleanly(engine, second);
      const base = join(shared, 'base.qcow2');
      await engine.command('cp', `${second.name}:/disk/disk.qcow2`, base);
      await checkFilesystem(await overlayIn(engine, volume), base);
      await second.remove();
    },
  );
});

function engineNamed(name: EngineName): Engine {
  const engine = engines.get(name);
  if (!engine) throw new Error(`${name} was not started`);
  return engine;
}

/** Through the published port. A guest that is ready has an agent that answers; its ports may follow a moment later. */
function throughPort(engine: Engine, port: number, command: string): Promise<string> {
  return waitFor('the guest', () => fastCommand(engine.address, port, command), 60_000);
}

function nextVolume(): string {
  volumes += 1;
  return `data${volumes}`;
}

/** With a grace above STOP_TIMEOUT, as `virtainers run` sets it. */
async function stopCleanly(engine: Engine, virtainer: Virtainer): Promise<void> {
  await engine.command('stop', '-t', '90', virtainer.name);
  expect(await virtainer.inspect('{{.State.ExitCode}}')).toBe('0');
}

async function overlayIn(engine: Engine, volume: string): Promise<string> {
  const folder = await engine.command('volume', 'inspect', '--format', '{{.Mountpoint}}', volume);
  return join(folder, 'local_image.qcow2');
}
