import { type GuestNic, plainGuest } from '../guest/nic.ts';
import { isReached, lostForwards, lostPing, planForwards } from './forwards.ts';
import { isMixed, lostMixed } from './mixed.ts';
import { emptyPlan, type Mode, type NicInput, type NicPlan } from './mode.ts';
import { ISOLATED } from './select.ts';
import { addressesOf, allAddresses, isLoopback, prefixOfRoute } from './snapshot.ts';

export const passt: Mode = {
  name: 'passt',
  missing: ({ passtMissing }) => passtMissing,
  plan: planPasst,
  changesLink: false,
  standsOn: 'addresses',
  forwardsPorts: true,
  hides: false,
};

/**
 * passt, one a NIC, speaks to the world by sockets, so that it needs nothing of the container but a user namespace for its
 * own sandbox. It shows the guest the address, gateway, resolvers and search domains of the container's interface. PORTS
 * reach the guest by every address of the container; what the guest sends leaves by the container's own routes.
 */
function planPasst(nic: NicInput): NicPlan {
  const { link, means, options } = nic;
  const forwards = nic.forwardsPorts ? planForwards(options.ports, means) : [];
  return {
    ...emptyPlan,
    mode: 'passt',
    link: link.name,
    interface: {
      kind: 'passt',
      mac: nic.mac,
      source: link === ISOLATED ? undefined : link.name,
      forwards,
      mtu: link.mtu,
    },
    addresses: isReached(forwards) ? allAddresses(nic.snapshot) : [],
    guest: guestOf(nic),
    forwards,
    losses: [...lostForwards(forwards, means), ...(nic.forwardsPorts ? lostPing(means) : []), ...lostMixed(nic)],
  };
}

/** DHCP, and IPv6 by router advertisements and DHCPv6; passt serves neither by an interface that leads to no gateway. */
function guestOf(nic: NicInput): GuestNic {
  const { link, snapshot } = nic;
  const [served4, served6] = [leadsOut(nic, 4), leadsOut(nic, 6)];
  const byHand = [...(served4 ? [] : addressesOf(link, 4)), ...(served6 ? [] : addressesOf(link, 6))];
  const told = served4 || served6;
  return {
    ...plainGuest(link.name, nic.mac),
    dhcp4: served4 || link === ISOLATED,
    dhcp6: served6,
    acceptRa: served6,
    addresses: byHand.map(({ address, prefix }) => `${address}/${prefix}`),
    // The primary NIC's default route leads to whatever its family reaches.
    routes: routesThrough(nic, nic.primary ? { 4: served4, 6: served6 } : { 4: false, 6: false }),
    nameservers: told ? [] : snapshot.resolver.nameservers.filter((address) => !isLoopback(address)),
    search: told ? [] : snapshot.resolver.search,
  };
}

function leadsOut({ link, snapshot }: NicInput, family: 4 | 6): boolean {
  const gateway = snapshot.routes.some(
    (route) =>
      route.family === family &&
      route.device === link.name &&
      route.destination === 'default' &&
      route.gateway !== undefined &&
      !isMixed(route),
  );
  return gateway && addressesOf(link, family).length > 0;
}

/** What the container reaches by this interface and a router there that is not its default one. */
function routesThrough({ link, snapshot }: NicInput, led: Readonly<Record<4 | 6, boolean>>): GuestNic['routes'] {
  return snapshot.routes.flatMap((route) =>
    route.device === link.name &&
    !led[route.family] &&
    route.destination !== 'default' &&
    route.gateway !== undefined &&
    !isMixed(route)
      ? [{ to: prefixOfRoute(route), via: route.gateway, onLink: false }]
      : [],
  );
}
