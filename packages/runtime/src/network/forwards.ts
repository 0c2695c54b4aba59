import type { Forward, Port } from '../guest/port.ts';
import type { NetworkMeans } from './mode.ts';

/** What is put in the place of a port that is not QEMU's to open is this much higher; lower, where nothing is higher. */
const SUBSTITUTE_OFFSET = 20_000;

/**
 * A port below the container's `ip_unprivileged_port_start` is not QEMU's to open (it is no root): the supervisor opens
 * it, where it may, and relays. What something else listens on nobody opens.
 */
export function planForwards(ports: readonly Port[], means: NetworkMeans): Forward[] {
  const taken = new Set([...ports.map(nameOf), ...(means.portsInUse ?? [])]);
  return ports.map(({ protocol, port }) => {
    const busy = isBusy({ protocol, port }, means);
    if (port >= means.unprivilegedPortStart && !busy) return { protocol, port, qemuPort: port, way: 'direct' };
    const qemuPort = substituteFor({ protocol, port }, taken);
    taken.add(nameOf({ protocol, port: qemuPort }));
    return { protocol, port, qemuPort, way: means.mayBindLow && !busy ? 'relayed' : 'inside' };
  });
}

/** The world reaches the guest by some port. */
export function isReached(forwards: readonly Forward[]): boolean {
  return forwards.some(({ way }) => way !== 'inside');
}

/** One sentence for each that the world does not reach. */
export function lostForwards(forwards: readonly Forward[], means: NetworkMeans): string[] {
  return forwards
    .filter(({ way }) => way === 'inside')
    .map((forward) => `port ${nameOf(forward)} cannot be opened: ${reason(forward, means)}`);
}

/** QEMU and passt send echo requests by sockets that the kernel gives to groups (icmp(7), ping_group_range). */
export function lostPing({ mayPing }: NetworkMeans): string[] {
  return mayPing === false
    ? ['the guest cannot ping: add --sysctl "net.ipv4.ping_group_range=0 2147483647" for ICMP']
    : [];
}

function reason(port: Port, means: NetworkMeans): string {
  if (isBusy(port, means)) return 'something else in the network namespace listens on it';
  return `ports below ${means.unprivilegedPortStart} need a privilege here; add --sysctl net.ipv4.ip_unprivileged_port_start=0`;
}

function isBusy(port: Port, { portsInUse }: NetworkMeans): boolean {
  return portsInUse?.has(nameOf(port)) ?? false;
}

function substituteFor({ protocol, port }: Port, taken: ReadonlySet<string>): number {
  const higher = port + SUBSTITUTE_OFFSET;
  let substitute = higher <= 65_535 ? higher : port - SUBSTITUTE_OFFSET;
  while (taken.has(nameOf({ protocol, port: substitute }))) substitute += 1;
  return substitute;
}

/** `53/udp`. */
function nameOf({ protocol, port }: Port): string {
  return `${port}/${protocol}`;
}
