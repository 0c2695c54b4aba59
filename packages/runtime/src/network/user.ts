import { type Forward, type NetworkInput, type NetworkPlan, noPlan, type Port } from './mode.ts';

/** First port for what QEMU may not open under its own number. */
const RELAY_BASE = 20_000;

/**
 * QEMU's own network (SLIRP): needs nothing of the container. Only PORTS reach the guest. A port below the container's
 * `ip_unprivileged_port_start` is not QEMU's to open (it is no root): the supervisor opens it, where it may, and relays.
 */
export function planUser(input: NetworkInput): NetworkPlan {
  const planned = input.ports.map((port) => planForward(port, input));
  return {
    ...noPlan,
    mode: 'user',
    interfaces: [{ kind: 'user', mac: input.macAt(0) }],
    addresses: input.snapshot.links.flatMap(({ addresses }) =>
      addresses.flatMap(({ family, address }) => (family === 4 ? [address] : [])),
    ),
    forwards: planned.flatMap((forward) => (typeof forward === 'string' ? [] : [forward])),
    losses: planned.filter((forward) => typeof forward === 'string'),
  };
}

function planForward({ protocol, port }: Port, input: NetworkInput): Forward | string {
  if (port >= input.unprivilegedPortStart) return { protocol, port, qemuPort: port, relayed: false };
  if (protocol === 'tcp' && input.mayBindLow) return { protocol, port, qemuPort: RELAY_BASE + port, relayed: true };
  return `port ${port}/${protocol} cannot be opened: ports below ${input.unprivilegedPortStart} need a privilege here; add --sysctl net.ipv4.ip_unprivileged_port_start=0`;
}

/** For the monitor of a running domain (QEMU, hmp-commands.hx, hostfwd_add). */
export function hostForwardCommand(netdev: string, { protocol, qemuPort, port, relayed }: Forward): string {
  return `hostfwd_add ${netdev} ${protocol}:${relayed ? '127.0.0.1' : ''}:${qemuPort}-:${port}`;
}
