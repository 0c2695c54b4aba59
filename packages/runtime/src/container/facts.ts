import { constants } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { arch } from 'node:os';
import { join } from 'node:path';
import { type Architecture, isAccessible } from '@virtainers/core';
import { isOursAlone } from '../network/devices.ts';
import { isMountedReadonly } from './mountinfo.ts';

/** What the container around us allows, read once at start. */
export interface ContainerFacts {
  /** Of this machine, as far as the container's programs see it. */
  readonly arch: Architecture;
  readonly uid: number;
  readonly gid: number;
  /** Effective capabilities, by name without `CAP_`: those that anything here asks about. */
  readonly capabilities: ReadonlySet<string>;
  readonly kvm: DeviceFacts | undefined;
  readonly tun: DeviceFacts | undefined;
  /** The network namespace is the machine's own (`--net=host`). */
  readonly hostNetwork: boolean;
  /** Of the container, in bytes; undefined: no limit. */
  readonly memoryLimitBytes: number | undefined;
  /** Ports below this number need NET_BIND_SERVICE. */
  readonly unprivilegedPortStart: number;
  readonly ipv4Forwarding: boolean;
  readonly ipv6Forwarding: boolean;
  /** A device that is made in the container has IPv6: not so in Docker. */
  readonly ipv6OnNewLinks: boolean;
  readonly vhostNet: DeviceFacts | undefined;
  readonly readonlyRoot: boolean;
  /** Text of /proc/self/mountinfo. */
  readonly mountinfo: string;
}

export interface DeviceFacts {
  readonly path: string;
  readonly uid: number;
  readonly gid: number;
  /** Permission bits, as in chmod. */
  readonly mode: number;
  /** This process may open it for reading and writing. */
  readonly openable: boolean;
}

/** linux/capability.h, the ones that matter here. */
const CAPABILITY_BITS = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  FOWNER: 3,
  FSETID: 4,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  NET_BIND_SERVICE: 10,
  NET_ADMIN: 12,
  SYS_CHROOT: 18,
  SYS_ADMIN: 21,
} as const;

export async function readContainerFacts(uid: number, gid: number): Promise<ContainerFacts> {
  const [status, kvm, tun, vhostNet, hostNetwork, memoryLimitBytes, sysctls, mountinfo] = await Promise.all([
    readFile('/proc/self/status', 'utf8'),
    readDevice('/dev/kvm'),
    readDevice('/dev/net/tun'),
    readDevice('/dev/vhost-net'),
    isHostNetwork(),
    readMemoryLimit(),
    readSysctls(),
    readFile('/proc/self/mountinfo', 'utf8'),
  ]);
  return {
    arch: arch() === 'arm64' ? 'arm64' : 'amd64',
    uid,
    gid,
    capabilities: parseCapabilities(status),
    kvm,
    tun,
    hostNetwork,
    memoryLimitBytes,
    ...sysctls,
    vhostNet,
    readonlyRoot: isMountedReadonly(mountinfo, '/'),
    mountinfo,
  };
}

/** From the `CapEff` line of /proc/PID/status (proc_pid_status(5)). */
export function parseCapabilities(status: string): Set<string> {
  const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  const mask = BigInt(`0x${hex}`);
  const held = Object.entries(CAPABILITY_BITS).filter(([, bit]) => (mask >> BigInt(bit)) & 1n);
  return new Set(held.map(([name]) => name));
}

/**
 * A limit as the kernel writes it: cgroup v2 says `max` for none, v1 a number near 2^63.
 * Documentation/admin-guide/cgroup-v2.rst, memory.max.
 */
export function parseMemoryLimit(text: string): number | undefined {
  const value = Number(text.trim());
  return Number.isFinite(value) && value > 0 && value < 2 ** 60 ? value : undefined;
}

async function readMemoryLimit(): Promise<number | undefined> {
  for (const path of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text !== undefined) return parseMemoryLimit(text);
  }
  return undefined;
}

async function readDevice(path: string): Promise<DeviceFacts | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isCharacterDevice()) return undefined;
  const openable = await isAccessible(path, constants.R_OK | constants.W_OK);
  return { path, uid: found.uid, gid: found.gid, mode: found.mode & 0o777, openable };
}

/**
 * The machine's own namespace, or one that has a real device or a bridge in it. The first is told by a sysctl that only
 * the initial namespace has (net/core/sysctl_net_core.c registers it for init_net alone). A bridge that a killed life of
 * this container has left is no sign.
 */
export async function isHostNetwork(
  sys = '/sys/class/net',
  initialOnly = '/proc/sys/net/core/netdev_max_backlog',
): Promise<boolean> {
  if (await isAccessible(initialOnly)) return true;
  const names = (await readdir(sys).catch(() => [])).filter((name) => !isOursAlone(name));
  const signs = names.flatMap((name) => [join(sys, name, 'device'), join(sys, name, 'bridge')]);
  return (await Promise.all(signs.map((path) => isAccessible(path)))).includes(true);
}

async function readSysctls() {
  const [portStart, forwarding, forwarding6, disabled6] = await Promise.all(
    [
      'ipv4/ip_unprivileged_port_start',
      'ipv4/ip_forward',
      'ipv6/conf/all/forwarding',
      'ipv6/conf/default/disable_ipv6',
    ].map((name) => readNumber(`/proc/sys/net/${name}`)),
  );
  return {
    unprivilegedPortStart: portStart ?? 1024,
    ipv4Forwarding: forwarding === 1,
    ipv6Forwarding: forwarding6 === 1,
    ipv6OnNewLinks: disabled6 === 0,
  };
}

async function readNumber(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : Number(text.trim());
}
