import { isIPv4 } from 'node:net';
import { plainGuest } from '../guest/nic.ts';
import type { Forward } from '../guest/port.ts';
import { isReached, lostForwards, lostPing, planForwards } from './forwards.ts';
import { emptyPlan, type Mode, type NicInput, type NicPlan } from './mode.ts';
import { addressesOf, allAddresses } from './snapshot.ts';

/** QEMU's user network carries no larger packets (libslirp, IF_MTU_DEFAULT). */
const MAX_MTU = 1500;

export const user: Mode = {
  name: 'user',
  missing: () => undefined,
  plan: planUser,
  changesLink: false,
  standsOn: 'addresses',
  forwardsPorts: true,
  hides: true,
};

/**
 * QEMU's own network (SLIRP): needs nothing of the container. Only PORTS reach the guest, by IPv4. The guest's subnet is
 * never one of the container's: rootless Podman's own SLIRP has QEMU's default, 10.0.2.0/24.
 */
function planUser(nic: NicInput): NicPlan {
  const { link, inner, means, options, snapshot } = nic;
  const forwards = nic.forwardsPorts ? planForwards(options.ports, means) : [];
  return {
    ...emptyPlan,
    mode: 'user',
    link: link.name,
    interface: {
      kind: 'user',
      mac: nic.mac,
      subnet: `${inner.ipv4}.0`,
      subnet6: inner.ipv6,
      mtu: Math.min(link.mtu, MAX_MTU),
    },
    addresses: isReached(forwards) ? allAddresses(snapshot).filter((address) => isIPv4(address)) : [],
    guest: {
      ...plainGuest(link.name, nic.mac),
      acceptRa: addressesOf(link, 6).length > 0,
      search: snapshot.resolver.search,
    },
    forwards,
    losses: [...lostForwards(forwards, means), ...(nic.forwardsPorts ? lostPing(means) : []), ...lostHere(nic)],
  };
}

function lostHere({ link, forwardsPorts }: NicInput): string[] {
  const ipv6 = forwardsPorts && addressesOf(link, 6).length > 0;
  return [
    ...(link.mtu > MAX_MTU
      ? [`the guest's MTU is ${MAX_MTU}, not the ${link.mtu} of ${link.name}: QEMU's user network carries no more`]
      : []),
    ...(ipv6 ? [`the guest is not reached by the IPv6 address of ${link.name}: QEMU forwards ports of IPv4 only`] : []),
  ];
}

/** For the monitor of a running domain (QEMU, hmp-commands.hx, hostfwd_add). */
export function hostForwardCommand(netdev: string, { protocol, qemuPort, port, way }: Forward): string {
  return `hostfwd_add ${netdev} ${protocol}:${way === 'direct' ? '' : '127.0.0.1'}:${qemuPort}-:${port}`;
}
