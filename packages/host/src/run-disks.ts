import { stat } from 'node:fs/promises';
import { basename, extname, resolve } from 'node:path';
import {
  DISK_NAME_ALLOWED,
  diskNameOf,
  diskSerial,
  EXTRA_DISKS,
  isDiskName,
  isNetworkDisk,
  NETWORK_DISK_ALLOWED,
  parseNetworkDisk,
  readExtraDisk,
  VirtainersError,
  withoutSecrets,
} from '@virtainers/core';

/** A disk for a container, found and named. */
export type RunDisk = LocalDisk | FetchedDisk;

interface LocalDisk {
  readonly kind: 'file' | 'device';
  /** Absolute. */
  readonly source: string;
  /** Where the supervisor looks for it. */
  readonly place: string;
  readonly readonly: boolean;
}

/** One that QEMU fetches over the network. */
interface FetchedDisk {
  readonly kind: 'network';
  /** As the supervisor reads it in DISKS. */
  readonly text: string;
  readonly name: string;
  /** Folders and files of this machine that say where it is and who may. */
  readonly needs: readonly string[];
}

/**
 * Finds what `--disk` names: `HOSTPATH[:NAME][:ro]`, a disk file or a block device; or one on the network, by its URI. All problems at once: ARGUMENTS_BAD, or
 * DISK_REFUSED where a file's content is the only one.
 */
export async function findRunDisks(words: readonly string[]): Promise<RunDisk[]> {
  const results = await Promise.allSettled(words.map(findDisk));
  const problems = results.flatMap((result) => (result.status === 'rejected' ? [expected(result.reason)] : []));
  const disks = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  problems.push(...sameNames(disks));
  const [first, ...others] = problems;
  if (first && others.length === 0) throw first;
  if (first) {
    const lines = problems.map(({ message, hint }) => `  ${message}${hint === undefined ? '' : ` (${hint})`}`);
    throw new VirtainersError('ARGUMENTS_BAD', `reading --disk:\n${lines.join('\n')}`);
  }
  return disks;
}

/** Flags of the engine that put them where the supervisor looks. */
export function diskFlags(disks: readonly RunDisk[]): {
  mounts: string[];
  devices: string[];
  setting: string | undefined;
} {
  const local = disks.filter((disk) => disk.kind !== 'network');
  const fetched = disks.filter((disk) => disk.kind === 'network');
  const files = local.filter(({ kind }) => kind === 'file');
  const devices = local.filter(({ kind }) => kind === 'device');
  const needs = [...new Set(fetched.flatMap((disk) => disk.needs))];
  return {
    mounts: [
      ...files.map(({ source, place, readonly }) => `${source}:${place}${readonly ? ':ro' : ''}`),
      ...needs.map((path) => `${path}:${path}:ro`),
    ],
    devices: devices.map(({ source, place, readonly }) => `${source}:${place}${readonly ? ':r' : ''}`),
    setting: fetched.length === 0 ? undefined : `DISKS=${fetched.map(({ text }) => text).join(' ')}`,
  };
}

/** `writable`: the engine ignores what is said of a device's rights, as it does for privileged and rootless containers. */
export function requireReadOnly(disks: readonly RunDisk[], writable: boolean): void {
  const device = disks.find((disk) => disk.kind === 'device' && disk.readonly);
  if (device?.kind !== 'device' || !writable) return;
  throw new VirtainersError(
    'ARGUMENTS_BAD',
    `--disk ${device.source}: in a privileged or rootless container a device cannot be handed over to be read only`,
    { hint: 'make the device itself read only: blockdev --setro DEVICE; or run without --privileged, as root' },
  );
}

async function findDisk(word: string): Promise<RunDisk> {
  if (isNetworkDisk(word)) return findNetworkDisk(word);
  const { path, name, readonly } = await splitWord(word);
  const source = resolve(path);
  const facts = await stat(source).catch(() => undefined);
  if (!facts) throw bad(word, 'no such file', 'FILE[:NAME][:ro], a disk image or a block device');
  if (source.includes(':')) throw bad(word, 'no engine can mount a path with a colon in it');
  if (name !== undefined && !isDiskName(name))
    throw bad(word, `${JSON.stringify(name)} is no name: ${DISK_NAME_ALLOWED}`);
  if (facts.isBlockDevice()) {
    const called = name ?? diskSerial(basename(source));
    if (called === 'root') throw bad(word, "the guest's own disk is no device; give this one another name");
    return { kind: 'device', source, place: `${EXTRA_DISKS.devices}/${called}`, readonly };
  }
  if (!facts.isFile()) throw bad(word, 'neither a file nor a block device');
  const { format } = await readExtraDisk(source).catch((cause) => {
    if (cause instanceof VirtainersError) throw cause;
    throw bad(word, (cause as Error).message);
  });
  const own = diskNameOf(basename(source));
  const suffix = own === undefined ? `.${format}` : extname(source);
  return {
    kind: 'file',
    source,
    place: `${EXTRA_DISKS.files}/${name ?? diskSerial(own ?? basename(source))}${suffix}`,
    readonly,
  };
}

const CEPH = '/etc/ceph';

/** In the container its files have the same paths as here. */
async function findNetworkDisk(word: string): Promise<FetchedDisk> {
  const disk = parseNetworkDisk(word);
  const shown = withoutSecrets(word);
  if (typeof disk === 'string') throw bad(shown, disk, NETWORK_DISK_ALLOWED);
  const files = disk.protocol === 'rbd' ? [disk.conf, disk.keyring] : [disk.passwordFile];
  const paths = files.filter((path) => path !== undefined);
  for (const path of paths) {
    if (!(await stat(path).catch(() => undefined))?.isFile()) throw bad(shown, `there is no file ${path}`);
  }
  const needs = paths.map((path) => (path.startsWith(`${CEPH}/`) ? CEPH : path));
  return { kind: 'network', text: word, name: disk.name, needs };
}

/** From the right: `ro`, then a name; a path may have colons only where it exists as it is. */
async function splitWord(word: string): Promise<{ path: string; name: string | undefined; readonly: boolean }> {
  const readonly = /:ro$/.test(word);
  const rest = readonly ? word.slice(0, -3) : word;
  const [, path, name] = /^(.+):([^:/]*)$/.exec(rest) ?? [];
  if (path === undefined || (await stat(resolve(rest)).catch(() => undefined))) {
    return { path: rest, name: undefined, readonly };
  }
  return { path, name, readonly };
}

function sameNames(disks: readonly RunDisk[]): VirtainersError[] {
  const names = disks.map((disk) =>
    disk.kind === 'network' ? disk.name : (diskNameOf(basename(disk.place)) ?? basename(disk.place)),
  );
  return [...new Set(names)].flatMap((name) => {
    const same = disks
      .filter((_, index) => names[index] === name)
      .map((disk) => (disk.kind === 'network' ? disk.text : disk.source));
    const hint = 'give each a name of its own: --disk FILE:NAME';
    return same.length < 2
      ? []
      : [new VirtainersError('ARGUMENTS_BAD', `${same.join(' and ')} would both be called ${name}`, { hint })];
  });
}

function bad(word: string, why: string, hint?: string): VirtainersError {
  return new VirtainersError('ARGUMENTS_BAD', `--disk ${word}: ${why}`, { hint });
}

function expected(reason: unknown): VirtainersError {
  if (reason instanceof VirtainersError) return reason;
  throw reason;
}
