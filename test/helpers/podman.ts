import { chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Setup } from './engines.ts';
import { becoming, type Person } from './person.ts';
import { exec, requireTool } from './process.ts';
import type { Slot } from './slot.ts';

/** Podman as root, in the slot's network namespace. */
export async function rootfulPodmanIn(slot: Slot): Promise<Setup> {
  await requireTool('podman', 'conmon', 'runc', 'nsenter');
  const env = await configure(slot, join(slot.folder, 'podman'));
  const doors = becoming({ namespace: slot.name, mounts: await ownNetworksFolder(slot.folder), env });
  await doors.exec('podman', ['info']);
  return { ...doors, env, owner: { uid: 0, gid: 0 }, address: slot.address, stop: async () => undefined };
}

/**
 * Every Podman of root keeps its addresses and the process of its name server in one folder of the machine, as if all of
 * them were in one network namespace (libpod's netavark run directory); these are not. The namespace ends with its file.
 */
async function ownNetworksFolder(folder: string): Promise<string> {
  const shared = '/run/containers/networks';
  const [own, namespaces] = [join(folder, 'podman-networks'), join(folder, 'namespaces')];
  const file = join(namespaces, 'mounts');
  for (const made of [shared, own, namespaces]) await mkdir(made, { recursive: true });
  // A namespace can be kept by a file on a private mount alone (unshare(1), --mount).
  await exec('mount', ['--bind', namespaces, namespaces]);
  await exec('mount', ['--make-private', namespaces]);
  await writeFile(file, '');
  await exec('unshare', [`--mount=${file}`, '--propagation', 'slave', '--', 'mount', '--bind', own, shared]);
  return file;
}

/** Podman of an ordinary user who is made for it: user namespace, slirp4netns, ports on the host's loopback. */
export async function rootlessPodmanIn(slot: Slot): Promise<Setup> {
  await requireTool('podman', 'conmon', 'runc', 'slirp4netns', 'newuidmap', 'useradd', 'setpriv');
  const home = join(slot.folder, 'home');
  const owner = await makeUser(slot.name, home);
  const runtimeDir = join(home, 'run');
  await mkdir(runtimeDir, { mode: 0o700 });
  const config = await configure(slot, join(home, 'podman'));
  const env = { ...config, HOME: home, USER: slot.name, LOGNAME: slot.name, XDG_RUNTIME_DIR: runtimeDir, TERM: 'dumb' };
  await exec('chown', ['-R', `${owner.uid}:${owner.gid}`, home]);
  const person: Person = { user: { ...owner, home }, tun: await makeTun(slot.folder), env };
  const doors = becoming(person);
  await doors.exec('podman', ['info']);
  const stop = async (): Promise<void> => {
    // Files of subordinate uids and the user's own mounts can only be undone from inside the user's namespace.
    await doors.exec('podman', ['system', 'reset', '--force'], { allowFailure: true });
  };
  return { ...doors, env, owner, address: '127.0.0.1', stop };
}

async function makeUser(name: string, home: string): Promise<{ uid: number; gid: number }> {
  await exec('useradd', ['--create-home', '--home-dir', home, '--shell', '/bin/sh', name]);
  const { stdout } = await exec('id', ['-u', name]);
  const { stdout: group } = await exec('id', ['-g', name]);
  const owner = { uid: Number(stdout), gid: Number(group) };
  await chown(home, owner.uid, owner.gid);
  return owner;
}

/** 10:200 is the number of /dev/net/tun (Linux, admin-guide/devices.txt). */
async function makeTun(folder: string): Promise<string> {
  const node = join(folder, 'tun');
  await exec('mknod', ['--mode=0666', node, 'c', '10', '200']);
  return node;
}

/** containers.conf(5) and storage.conf(5) of the slot's own; returns the environment that makes podman read them. */
async function configure(slot: Slot, folder: string): Promise<Record<string, string>> {
  await mkdir(folder, { recursive: true });
  const [containers, storage] = [join(folder, 'containers.conf'), join(folder, 'storage.conf')];
  await writeFile(containers, containersConf(slot, folder));
  await writeFile(storage, toml('storage', { driver: 'overlay', ...storageFolders(folder) }));
  return { CONTAINERS_CONF: containers, CONTAINERS_STORAGE_CONF: storage };
}

function storageFolders(folder: string): Record<string, string> {
  return {
    graphroot: join(folder, 'storage'),
    runroot: join(folder, 'run'),
    rootless_storage_path: join(folder, 'storage'),
  };
}

/** runc, because crun refuses some hosts' mixed cgroup trees; cgroupfs, because no systemd session is assumed. */
function containersConf(slot: Slot, folder: string): string {
  return [
    toml('containers', {
      default_ulimits: ['nofile=20000:20000', 'nproc=20000:20000'],
      // netavark turns it on where it runs; a container inherits that of the machine's first namespace, which is another one here.
      default_sysctls: ['net.ipv4.ip_forward=1'],
    }),
    toml('network', {
      network_backend: 'netavark',
      network_config_dir: join(folder, 'networks'),
      default_subnet: slot.subnet,
    }),
    toml('engine', {
      runtime: 'runc',
      cgroup_manager: 'cgroupfs',
      events_logger: 'file',
      tmp_dir: join(folder, 'tmp'),
    }),
  ].join('\n');
}

/** A table whose values are text or lists of text: TOML writes both as JSON does. */
function toml(table: string, values: Record<string, string | readonly string[]>): string {
  const lines = Object.entries(values).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  return [`[${table}]`, ...lines, ''].join('\n');
}
