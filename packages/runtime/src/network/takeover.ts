import { isIPv4 } from 'node:net';
import { contains, type Prefix, parseAddress, parsePrefix, VirtainersError } from '@virtainers/core';
import { type GuestNic, plainGuest } from '../guest/nic.ts';
import { ip } from './commands.ts';
import type { DhcpOffer } from './dnsmasq.ts';
import { usedPrefixes } from './inner.ts';
import { isMixed, lostMixed } from './mixed.ts';
import type { NicInput, PlannedCommand } from './mode.ts';
import { isBeyond, madeRoutes, restoring } from './restore.ts';
import {
  type Address,
  addressesOf,
  defaultRoute,
  isLoopback,
  type Link,
  prefixOfRoute,
  type Route,
} from './snapshot.ts';

/** What bridge and macvtap do alike: an interface's MAC, addresses and routes become the guest's. */
export interface Takeover {
  /** The guest's IPv4 address, given by our own DHCP server; undefined: nobody here addresses the guest. */
  readonly served: Served | undefined;
  /** The container uses IPv6, so that what we make would get addresses by itself. */
  readonly ipv6: boolean;
  /** For the container's interface while the guest has its own. */
  readonly linkMac: string;
}

/** Our DHCP server's side. */
export interface Served {
  readonly address: Address;
  /** Its own address: link-local, of full length, in no network that the container knows. */
  readonly leg: string;
  readonly legMac: string;
  readonly guestMac: string;
  /** The guest's gateway to everywhere. */
  readonly gateway: string | undefined;
  /**
   * The container's resolver is one of its own, as Docker's is, which asks other servers from in here: our side then
   * answers DNS too, and the container keeps a way out by the guest's address.
   */
  readonly resolves: boolean;
}

/** Throws NETWORK_UNAVAILABLE where the interface cannot be taken over. */
export function planTakeover(nic: NicInput): Takeover {
  const { link, snapshot, options } = nic;
  requireTakable(link);
  const address = options.dhcp ? mainAddress(link, options.selectedNetwork) : undefined;
  const best = defaultOf(nic, 4);
  return {
    served: address && {
      address,
      leg: legAddress(nic),
      legMac: localMac(nic.mac, 2),
      guestMac: link.mac,
      gateway: best && !isMixed(best) ? best.gateway : undefined,
      resolves: snapshot.resolver.nameservers.some(isLoopback),
    },
    ipv6: snapshot.routes.some(({ family }) => family === 6),
    linkMac: localMac(nic.mac, 1),
  };
}

function requireTakable({ name, kind }: Link): void {
  if (kind !== 'ipvlan') return;
  throw new VirtainersError(
    'NETWORK_UNAVAILABLE',
    `${name} is an ipvlan, which shares the MAC of its parent and cannot give one to the guest`,
    { hint: `add -e NETWORK_MODE=${name}=nat, or give the container a macvlan` },
  );
}

/** SELECTED_NETWORK's: the very address first, then the first in its network; without either the first there is. */
export function mainAddress(link: Link, selected: string | undefined): Address | undefined {
  const own = addressesOf(link, 4);
  const network = selected === undefined ? undefined : parsePrefix(selected);
  return (
    own.find(({ address }) => address === selected?.split('/')[0]) ??
    own.find(({ address }) => network && isIn(network, address)) ??
    own[0]
  );
}

function isIn(network: Prefix, text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && contains(network, address);
}

/**
 * 169.254.77.1 for the first NIC; the next block where the container knows something narrower than the whole of
 * 169.254/16 that is in the way, as Calico's gateway or a cloud's metadata are.
 */
function legAddress({ index, snapshot }: NicInput): string {
  const used = usedPrefixes(snapshot).filter(({ length }) => length > 16);
  const blocks = Array.from({ length: 254 }, (_, step) => `169.254.${1 + ((76 + step) % 254)}.${1 + (index % 254)}`);
  return blocks.find((text) => !used.some((prefix) => isIn(prefix, text))) ?? '169.254.77.1';
}

/** A MAC like the guest's own, which in a takeover nobody bears: local, unicast, another for each `variant`. */
function localMac(mac: string, variant: number): string {
  const first = (Number.parseInt(mac.slice(0, 2), 16) & 0xfc) | 2;
  return `${(first ^ (variant << 2)).toString(16).padStart(2, '0')}${mac.slice(2)}`;
}

/** The container's default route, where it is by this interface. A second-best one stays unused, as in the container. */
function defaultOf({ snapshot, link }: Pick<NicInput, 'snapshot' | 'link'>, family: 4 | 6): Route | undefined {
  const best = defaultRoute(snapshot, family);
  return best?.device === link.name ? best : undefined;
}

/** Takes the interface out of the container's service; `attach` are the words that put it into the guest's. */
export function releaseLink(nic: NicInput, { ipv6, linkMac }: Takeover, mac: 'changed' | 'kept', attach: string[]) {
  const { link, snapshot } = nic;
  const { name } = link;
  const set = (...args: string[]) => ip('link', 'set', 'dev', name, ...args);
  const commands: PlannedCommand[] = [
    // First, so that an interface that was taken is one without an address, whenever we are killed (memory.ts).
    {
      ...ip('address', 'flush', 'dev', name),
      undo: { ...ip('-force', '-batch', '-'), input: restoring({ link, snapshot, ipv6 }) },
    },
    set('down'),
    ...(ipv6 ? [set('addrgenmode', 'none')] : []),
    ...(mac === 'changed' ? [set('address', linkMac)] : []),
    set(...attach, 'up'),
  ];
  return commands;
}

/** Our server's address on `device`, and the way from there to the guest and, where it is needed, out. */
export function legCommands(device: string, served: Served): PlannedCommand[] {
  const { leg, address, gateway } = served;
  const source = ['dev', device, 'src', leg];
  const wayOut = ip('route', 'add', 'default', 'via', gateway ?? '', 'onlink', ...source);
  return [
    ip('address', 'add', `${leg}/32`, 'dev', device),
    ip('route', 'add', address.address, ...source),
    // It goes first, so that the container's own can come back while the device is still there.
    ...(hasWayOut(served) ? [{ ...wayOut, undo: ip('route', 'delete', 'default', 'dev', device) }] : []),
  ];
}

export function hasWayOut({ resolves, gateway }: Served): boolean {
  return resolves && gateway !== undefined;
}

/** By our DHCP server on `device`. */
export function dhcpOffer(nic: NicInput, device: string, served: Served): DhcpOffer {
  const { link, snapshot, options } = nic;
  return {
    device,
    leg: served,
    mac: link.mac,
    address: served.address.address,
    prefix: served.address.prefix,
    hostname: snapshot.hostname,
    mtu: link.mtu,
    router: served.gateway,
    routes: [{ to: `${served.leg}/32`, via: ON_LINK }, ...routesOf(nic)],
    nameservers: resolversOf(nic, served).filter((address) => isIPv4(address)),
    search: snapshot.resolver.search,
    ipv6: undefined,
    extra: options.dnsmasqOptions,
    runFolder: nic.runFolder,
  };
}

const ON_LINK = '0.0.0.0';

/** For the guest's routing table (RFC 3442): what is on the link, the gateways that only we know to be there, the rest. */
function routesOf(nic: NicInput): { to: string; via: string }[] {
  const best = defaultOf(nic, 4);
  const told = (route: Route) => !isMixed(route) && (route.destination !== 'default' || route === best);
  const made = madeRoutes(nic, 4).filter(told);
  const direct = made.filter(({ gateway }) => !gateway).map(prefixOfRoute);
  const beyond = made.flatMap(({ gateway }) => (gateway && isBeyond(nic.link, gateway) ? [`${gateway}/32`] : []));
  return [
    ...[...new Set([...direct, ...beyond])].map((to) => ({ to, via: ON_LINK })),
    // The default one is the router's, which dnsmasq.ts repeats here.
    ...made.flatMap((route) =>
      route.gateway && route !== best ? [{ to: prefixOfRoute(route), via: route.gateway }] : [],
    ),
  ];
}

/** DNS_SERVERS, then the container's own, where the guest can reach them, else our side. */
function resolversOf({ options, snapshot }: NicInput, served: Served | undefined): string[] {
  const own = snapshot.resolver.nameservers;
  if (served?.resolves) return [...options.dnsServers, served.leg];
  return [...options.dnsServers, ...own.filter((address) => !isLoopback(address))];
}

/** What DHCP does not carry: IPv6, and further addresses of the same interface. */
export function takenGuest(nic: NicInput, { served }: Takeover): GuestNic {
  const { link, snapshot, options } = nic;
  const plain = { ...plainGuest(link.name, link.mac), mtu: link.mtu };
  const others = otherAddresses(link, served);
  // Somebody else's DHCP, router advertisements or cloud-init say everything.
  if (!options.dhcp || (!served && link.addresses.length === 0)) {
    return { ...plain, acceptRa: true, nameservers: options.dnsServers };
  }
  const announced = snapshot.routes.some(({ device, protocol }) => device === link.name && protocol === 'ra');
  return {
    ...plain,
    dhcp4: served !== undefined,
    acceptRa: announced || link.addresses.some(({ dynamic }) => dynamic),
    addresses: others.map(({ address, prefix }) => `${address}/${prefix}`),
    routes: routes6Of(nic),
    nameservers: resolversOf(nic, served).filter((address) => !served || !isIPv4(address)),
    search: served ? [] : snapshot.resolver.search,
  };
}

/** Addresses beside the one that DHCP gives; those by router advertisement the guest makes by itself. */
function otherAddresses({ addresses }: Link, served: Served | undefined): Address[] {
  return addresses.filter((each) => each !== served?.address && !each.dynamic);
}

function routes6Of(nic: NicInput): GuestNic['routes'] {
  const best = defaultOf(nic, 6);
  return madeRoutes(nic, 6).flatMap((route) => {
    const { destination, gateway } = route;
    if (gateway === undefined || (destination === 'default' && route !== best)) return [];
    return [{ to: prefixOfRoute(route), via: gateway, onLink: isBeyond(nic.link, gateway) }];
  });
}

/** Under which the guest answers: the served one first. Those that somebody else gives are unknown. */
export function takenAddresses({ link, options }: NicInput, { served }: Takeover): string[] {
  if (!options.dhcp) return [];
  return [...(served ? [served.address] : []), ...otherAddresses(link, served)].map(({ address }) => address);
}

export function takeoverLosses(nic: NicInput, { served }: Takeover): string[] {
  const { link, snapshot, options } = nic;
  const { selectedNetwork: selected } = options;
  const matches = (each: Link) => {
    const main = mainAddress(each, selected);
    const network = selected === undefined ? undefined : parsePrefix(selected);
    return main !== undefined && network !== undefined && isIn(network, main.address);
  };
  const lost: string[] = [];
  if (selected !== undefined && served && !snapshot.links.some(matches)) {
    lost.push(
      `no address of the container is in SELECTED_NETWORK=${selected}: the guest gets ${served.address.address}`,
    );
  }
  if (served) lost.push(...lostMixed(nic));
  const deaf = options.dhcp && !served && link.addresses.length > 0;
  if (deaf && snapshot.resolver.nameservers.some(isLoopback) && options.dnsServers.length === 0) {
    lost.push(
      `${link.name} has no IPv4, by which the guest would reach the container's resolver; add -e DNS_SERVERS=...`,
    );
  }
  return lost;
}
