import { innerNetwork } from './inner.ts';
import { type Forward, type NetworkInput, type NetworkPlan, noPlan, type Port } from './mode.ts';
import { ipv4Addresses } from './snapshot.ts';

/** First port for what QEMU may not open under its own number. */
const SUBSTITUTE_BASE = 20_000;

/**
 * QEMU's own network (SLIRP): needs nothing of the container. Only PORTS reach the guest. A port below the container's
 * `ip_unprivileged_port_start` is not QEMU's to open (it is no root): the supervisor opens it, where it may, and relays.
 * The guest's subnet is never one of the container's: rootless Podman's own SLIRP has QEMU's default, 10.0.2.0/24.
 */
export function planUser(input: NetworkInput): NetworkPlan {
  const { inner, losses } = innerNetwork(input);
  const forwards = input.ports.map((port) => planForward(port, input));
  return {
    ...noPlan,
    mode: 'user',
    interfaces: [{ kind: 'user', mac: input.macAt(0), subnet: `${inner}.0` }],
    addresses: ipv4Addresses(input.snapshot),
    forwards,
    losses: [...losses, ...forwards.filter(({ way }) => way === 'inside').map((forward) => lossOf(forward, input))],
  };
}

function planForward({ protocol, port }: Port, input: NetworkInput): Forward {
  if (port >= input.unprivilegedPortStart) return { protocol, port, qemuPort: port, way: 'direct' };
  const relayed = protocol === 'tcp' && input.mayBindLow;
  return { protocol, port, qemuPort: SUBSTITUTE_BASE + port, way: relayed ? 'relayed' : 'inside' };
}

function lossOf({ port, protocol }: Forward, { unprivilegedPortStart }: NetworkInput): string {
  return `port ${port}/${protocol} cannot be opened: ports below ${unprivilegedPortStart} need a privilege here; add --sysctl net.ipv4.ip_unprivileged_port_start=0`;
}

/** For the monitor of a running domain (QEMU, hmp-commands.hx, hostfwd_add). */
export function hostForwardCommand(netdev: string, { protocol, qemuPort, port, way }: Forward): string {
  return `hostfwd_add ${netdev} ${protocol}:${way === 'direct' ? '' : '127.0.0.1'}:${qemuPort}-:${port}`;
}
