import type { Engine } from './engine/find.ts';
import { HEALTH_FLAGS } from './health.ts';

/** What a person may ask of `virtainers run`, checked; paths absolute. */
export interface RunSettings {
  readonly memoryMiB?: number | undefined;
  readonly cpus?: number | undefined;
  /** As QEMU's tools read it: `20G`. */
  readonly diskSize?: string | undefined;
  readonly userData?: string | undefined;
  /** A disk image for the generic virtainer. */
  readonly disk?: string | undefined;
  /** A folder of the host; otherwise a volume is named. */
  readonly data?: string | undefined;
  /** As the engine reads them: `2222:22`. */
  readonly publish: readonly string[];
  readonly network?: string | undefined;
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
  /** Which of /dev/net/tun and /dev/kvm the engine's machine has. */
  readonly devices: readonly string[];
}

const GUEST_STOP_SECONDS = 60;
const GRACE_ABOVE_SECONDS = 30;

/** The arguments of `docker run` or `podman run`, the program itself left out. */
export function planRun(settings: RunSettings, facts: RunFacts): string[] {
  const stop = guestStopSeconds(settings.env) + GRACE_ABOVE_SECONDS;
  return [
    'run',
    '--detach',
    ...(settings.remove ? ['--rm'] : []),
    ...['--name', facts.name],
    ...['--stop-timeout', String(stop)],
    ...rightFlags(settings, facts),
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
  if (settings.privileged) return ['--privileged'];
  return ['--cap-add', 'NET_ADMIN', ...facts.devices.flatMap((device) => ['--device', device])];
}

function networkFlags(settings: RunSettings, { engine }: RunFacts): string[] {
  const own = ownsNetwork(settings.network);
  return [
    ...(settings.network === undefined ? [] : ['--network', settings.network]),
    ...(own ? engine.dialect.networkFlags : []),
    ...(own ? publications(settings, engine) : settings.publish).flatMap((port) => ['--publish', port]),
  ];
}

/** A rootless container's address is out of the person's reach: SSH gets a port of this machine, chosen by the engine. */
function publications(settings: RunSettings, engine: Engine): readonly string[] {
  if (settings.publish.length > 0 || !engine.info.rootless || settings.network === 'none') return settings.publish;
  return ['127.0.0.1::22'];
}

function ownsNetwork(network: string | undefined): boolean {
  return network === undefined || !/^(host$|container:|ns:)/.test(network);
}

function mountFlags(settings: RunSettings, facts: RunFacts): string[] {
  const files = [
    ...(facts.publicKey === undefined ? [] : [`${facts.publicKey}:/tmp/id_rsa.pub:ro`]),
    ...(settings.userData === undefined ? [] : [`${settings.userData}:/tmp/user-data:ro`]),
    ...(settings.disk === undefined ? [] : [`${settings.disk}:/image:ro`]),
  ];
  const mounts = [...files, `${settings.data ?? volumeName(facts.name)}:/mounted`];
  const bound = files.length > 0 || settings.data !== undefined;
  // Relabelling (`:z`) would change the label of the person's own key file.
  const label = bound && facts.engine.info.selinux ? ['--security-opt', 'label=disable'] : [];
  return [...label, ...mounts.flatMap((mount) => ['--volume', mount])];
}

function environmentFlags(settings: RunSettings, facts: RunFacts): string[] {
  const values = [
    ...(settings.memoryMiB === undefined ? [] : [`RAM=${settings.memoryMiB}`]),
    ...(settings.cpus === undefined ? [] : [`CPU=${settings.cpus}`]),
    ...(settings.diskSize === undefined ? [] : [`DISK_SIZE=${settings.diskSize}`]),
    `VIRTAINERS_REFERENCE=${facts.reference}`,
    ...settings.env,
  ];
  return values.flatMap((value) => ['--env', value]);
}

function guestStopSeconds(env: readonly string[]): number {
  const given = env.findLast((entry) => entry.startsWith('STOP_TIMEOUT='))?.slice('STOP_TIMEOUT='.length);
  return given !== undefined && /^\d{1,6}$/.test(given) ? Number(given) : GUEST_STOP_SECONDS;
}
