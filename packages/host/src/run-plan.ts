import type { AttachmentWords } from './engine/engine.ts';
import type { Engine } from './engine/find.ts';
import { addressFlags } from './engine/network.ts';
import { HEALTH_FLAGS } from './health.ts';
import { diskFlags, type RunDisk } from './run-disks.ts';
import { type ShareRequest, shareMounts, shareSetting } from './run-shares.ts';

/** What a person may ask of `virtainers run`, checked; paths absolute. */
export interface RunSettings {
  readonly memoryMiB?: number | undefined;
  readonly cpus?: number | undefined;
  /** As QEMU's tools read it: `20G`. */
  readonly diskSize?: string | undefined;
  readonly userData?: string | undefined;
  /** A disk image for the generic virtainer. */
  readonly rootDisk?: string | undefined;
  /** A folder of the host; otherwise a volume is named. */
  readonly data?: string | undefined;
  readonly shares: readonly ShareRequest[];
  /** As the engine reads them: `2222:22`. */
  readonly publish: readonly string[];
  /** As the engine reads one; several are names. The first is the primary one. */
  readonly networks: readonly string[];
  /** Fixed addresses on the first network, at most one of each family. */
  readonly addresses: readonly string[];
  readonly privileged: boolean;
  /** `NAME=VALUE`, as the engine reads them. */
  readonly env: readonly string[];
  readonly remove: boolean;
}

/** What was found out before planning. */
export interface RunFacts {
  readonly engine: Engine;
  readonly reference: string;
  readonly name: string;
  readonly publicKey?: string | undefined;
  /** Beside the machine's own. */
  readonly disks: readonly RunDisk[];
  /** Which of /dev/net/tun and /dev/kvm the engine's machine has. */
  readonly devices: readonly string[];
}

const GUEST_STOP_SECONDS = 60;
const GRACE_ABOVE_SECONDS = 30;

/** The commands of `docker` or `podman` that start a container, the program itself left out; most often one, `run`. */
export function planRun(settings: RunSettings, facts: RunFacts): string[][] {
  const { flags, connect } = attachment(settings, facts);
  const words = containerWords(settings, facts, flags);
  if (connect.length === 0) return [['run', '--detach', ...words]];
  return [
    ['create', ...words],
    ...connect.map((network) => ['network', 'connect', network, facts.name]),
    ['start', facts.name],
  ];
}

/** What `run` and `create` are told alike. */
function containerWords(settings: RunSettings, facts: RunFacts, network: readonly string[]): string[] {
  const stop = guestStopSeconds(settings.env) + GRACE_ABOVE_SECONDS;
  return [
    ...(settings.remove ? ['--rm'] : []),
    ...['--name', facts.name],
    ...['--stop-timeout', String(stop)],
    ...rightFlags(settings, facts),
    ...network,
    ...networkFlags(settings, facts),
    ...mountFlags(settings, facts),
    ...environmentFlags(settings, facts),
    ...HEALTH_FLAGS,
    facts.reference,
  ];
}

/** The volume that keeps a container's disk when no folder is given. */
export function volumeName(container: string): string {
  return `${container}-data`;
}

/** `localhost/virtainers/debian:13-packages` -> `debian-13-packages`, then `debian-13-packages-2` … */
export function freeName(reference: string, taken: readonly string[]): string {
  const last = reference.replace(/@.*$/, '').split('/').at(-1) ?? '';
  const base =
    last
      .replace(/:latest$/, '')
      .replace(/[^\w.-]+/g, '-')
      .replace(/^[^a-zA-Z0-9]+/, '') || 'vm';
  if (!taken.includes(base)) return base;
  for (let number = 2; ; number += 1) {
    if (!taken.includes(`${base}-${number}`)) return `${base}-${number}`;
  }
}

function rightFlags(settings: RunSettings, facts: RunFacts): string[] {
  const disks = diskFlags(facts.disks).devices;
  const devices = [...(settings.privileged ? [] : facts.devices), ...disks].flatMap((device) => ['--device', device]);
  return [...(settings.privileged ? ['--privileged'] : ['--cap-add', 'NET_ADMIN']), ...devices];
}

function attachment({ networks, addresses }: RunSettings, { engine }: RunFacts): AttachmentWords {
  if (networks.length > 1) return engine.dialect.attach({ networks, addresses }, engine.info);
  return { flags: [...networks.flatMap((word) => ['--network', word]), ...addressFlags(addresses)], connect: [] };
}

function networkFlags(settings: RunSettings, { engine }: RunFacts): string[] {
  const own = ownsNetwork(settings.networks);
  return [
    ...(own ? engine.dialect.networkFlags : []),
    ...(own ? publications(settings, engine) : settings.publish).flatMap((port) => ['--publish', port]),
  ];
}

/** A rootless container's address is out of the person's reach: SSH gets a port of this machine, chosen by the engine. */
function publications({ publish, networks }: RunSettings, engine: Engine): readonly string[] {
  return publish.length > 0 || !engine.info.rootless || networks.includes('none') ? publish : ['127.0.0.1::22'];
}

function ownsNetwork([network]: readonly string[]): boolean {
  return network === undefined || !/^(host$|container:|ns:)/.test(network);
}

function mountFlags(settings: RunSettings, facts: RunFacts): string[] {
  const files = [
    ...(facts.publicKey === undefined ? [] : [`${facts.publicKey}:/tmp/id_rsa.pub:ro`]),
    ...(settings.userData === undefined ? [] : [`${settings.userData}:/tmp/user-data:ro`]),
    ...(settings.rootDisk === undefined ? [] : [`${settings.rootDisk}:/image:ro`]),
    ...diskFlags(facts.disks).mounts,
  ];
  const mounts = [...files, `${settings.data ?? volumeName(facts.name)}:/mounted`];
  const bound = files.length > 0 || settings.data !== undefined || settings.shares.length > 0;
  // Relabelling (`:z`) would change the label of the person's own key file.
  const label = bound && facts.engine.info.selinux ? ['--security-opt', 'label=disable'] : [];
  return [...label, ...mounts.flatMap((mount) => ['--volume', mount]), ...shareMounts(settings.shares)];
}

function environmentFlags(settings: RunSettings, facts: RunFacts): string[] {
  const { setting: disks } = diskFlags(facts.disks);
  const shares = shareSetting(settings.shares);
  const values = [
    ...(settings.memoryMiB === undefined ? [] : [`RAM=${settings.memoryMiB}`]),
    ...(settings.cpus === undefined ? [] : [`CPU=${settings.cpus}`]),
    ...(settings.diskSize === undefined ? [] : [`DISK_SIZE=${settings.diskSize}`]),
    ...(disks === undefined ? [] : [disks]),
    ...(shares === undefined ? [] : [shares]),
    `VIRTAINERS_REFERENCE=${facts.reference}`,
    ...settings.env,
  ];
  return values.flatMap((value) => ['--env', value]);
}

function guestStopSeconds(env: readonly string[]): number {
  const given = env.findLast((entry) => entry.startsWith('STOP_TIMEOUT='))?.slice('STOP_TIMEOUT='.length);
  return given !== undefined && /^\d{1,6}$/.test(given) ? Number(given) : GUEST_STOP_SECONDS;
}
