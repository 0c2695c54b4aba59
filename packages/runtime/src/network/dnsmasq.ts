import type { Command } from './mode.ts';

/** What the guest is told on one NIC. Addresses without prefix length unless said. */
export interface DhcpOffer {
  /** The device that dnsmasq listens on, and no other. */
  readonly device: string;
  /** For a device without an address in the guest's network; `resolves`: DNS is answered on its address. */
  readonly leg?: { readonly resolves: boolean };
  readonly mac: string;
  readonly address: string;
  /** Length of its prefix. */
  readonly prefix: number;
  readonly hostname: string;
  readonly mtu: number;
  /** Undefined: no default route by this NIC. */
  readonly router: string | undefined;
  /** Routes beside the default one (RFC 3442); `0.0.0.0` as `via` means on the link itself. */
  readonly routes: readonly { readonly to: string; readonly via: string }[];
  /** Undefined: dnsmasq itself, which asks the container's resolvers. */
  readonly nameservers: readonly string[] | undefined;
  readonly search: readonly string[];
  /** IPv6 on the same NIC by DHCPv6, announced by router advertisements. */
  readonly ipv6: { readonly address: string } | undefined;
  /** More options, as they are. */
  readonly extra: readonly string[];
  readonly runFolder: string;
}

/**
 * One dnsmasq a NIC, on the guest's side alone, with one lease that is bound to the guest's MAC and never ends: options
 * of one NIC never reach another (dnsmasq(8)).
 */
export function dnsmasq(offer: DhcpOffer): Command {
  return { file: 'dnsmasq', args: dnsmasqArguments(offer) };
}

function dnsmasqArguments(offer: DhcpOffer): string[] {
  const { device, leg, mac, address, hostname, runFolder, ipv6 } = offer;
  return [
    ...offer.extra,
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--log-facility=-',
    `--pid-file=${runFolder}/dnsmasq-${device}.pid`,
    `--dhcp-leasefile=${runFolder}/dnsmasq-${device}.leases`,
    `--interface=${device}`,
    '--except-interface=lo',
    '--bind-interfaces',
    // As libc asks them. By itself dnsmasq asks the fastest, and a rootless Podman's second resolver knows no container.
    '--strict-order',
    '--no-ping',
    '--dhcp-authoritative',
    ...(leg ? [`--shared-network=${device},${address}`, ...(leg.resolves ? [] : ['--port=0'])] : []),
    `--dhcp-range=${address},${address},${netmask(offer.prefix)},infinite`,
    `--dhcp-host=${[mac, ...leases(offer), ...hostWords(hostname), 'infinite'].join(',')}`,
    '--dhcp-ignore=tag:!known',
    ...(ipv6 ? ipv6Arguments(offer, ipv6.address) : []),
    ...dhcpOptions(offer).map(([option, value]) => `--dhcp-option=${option}${value === '' ? '' : `,${value}`}`),
  ];
}

/** A host with an address of one family alone is unknown in the other, and not answered. */
function leases({ address, ipv6 }: DhcpOffer): string[] {
  return ipv6 ? [address, `[${ipv6.address}]`] : [address];
}

/**
 * The host's name, where dnsmasq takes it for one: it ends itself over what is no name, and has a meaning of its own for
 * `ignore` and for what could be a lease time (dnsmasq(8), --dhcp-host).
 */
function hostWords(hostname: string): string[] {
  const labels = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9_-]{1,63})*$/.test(hostname) && hostname.length <= 253;
  const other = /^(ignore|infinite|\d+[smhdw]?)$/i.test(hostname);
  return labels && !other ? [hostname] : [];
}

/**
 * Managed addresses (DHCPv6), so that the guest's one is known; the advertisement carries the MTU, and the route where
 * this NIC has the default one (RFC 4861, 4.2: a lifetime of 0 is none). Its interval, 0 for the usual one, cannot be left out.
 */
function ipv6Arguments({ device, mtu, router }: DhcpOffer, address: string): string[] {
  const lifetime = router === undefined ? ',0' : '';
  return [
    '--enable-ra',
    `--ra-param=${device},mtu:${mtu},0${lifetime}`,
    `--dhcp-range=${address},${address},64,infinite`,
  ];
}

/** Name or number (RFC 2132) and value; an empty value takes an option away that dnsmasq would send by itself. */
function dhcpOptions(offer: DhcpOffer): [string, string][] {
  const { router } = offer;
  const { routes, search, nameservers } = toldOf(offer);
  const classless = [...routes, ...defaultToo(offer)].flatMap(({ to, via }) => [to, via]);
  return [
    ['option:mtu', String(offer.mtu)],
    ['option:router', router ?? ''],
    ...(classless.length > 0 ? [['option:classless-static-route', classless.join(',')] as [string, string]] : []),
    ...(nameservers.length > 0 ? [['option:dns-server', nameservers.join(',')] as [string, string]] : []),
    ...(search.length > 0 ? [['option:domain-search', search.join(',')] as [string, string]] : []),
  ];
}

/** What goes into the options of an answer, of which each has its own room. */
function toldOf(offer: DhcpOffer) {
  return {
    routes: fitting(offer.routes, routeBytes, sum(defaultToo(offer).map(routeBytes))),
    search: fitting(offer.search, (domain) => domain.length + 2),
    nameservers: fitting(offer.nameservers ?? [], () => 4),
  };
}

/** One sentence for each option whose room is too small: what the guest on `link` is not told. */
export function untold(link: string, offer: DhcpOffer): string[] {
  const told = toldOf(offer);
  const lists: readonly (readonly [string, readonly string[]])[] = [
    ['routes', offer.routes.slice(told.routes.length).map(({ to, via }) => `${to} via ${via}`)],
    ['search domains', offer.search.slice(told.search.length)],
    ['DNS servers', (offer.nameservers ?? []).slice(told.nameservers.length)],
  ];
  return lists.flatMap(([what, left]) =>
    left.length > 0
      ? [
          `the guest is not told these ${what} of ${link}: ${left.join(', ')}: DHCP carries ${ROOM} bytes of them; add -v FILE:/tmp/network-config:ro, which says them`,
        ]
      : [],
  );
}

/**
 * Who understands 121 ignores 3 (RFC 3442, "DHCP Client Behavior"), so that it repeats the default route. It comes last:
 * its router may be one that only the routes before it lead to.
 */
function defaultToo({ router, routes }: DhcpOffer): DhcpOffer['routes'] {
  return router !== undefined && routes.length > 0 ? [{ to: '0.0.0.0/0', via: router }] : [];
}

/** Of one option (RFC 2132, 2); dnsmasq does not start with more. */
const ROOM = 255;

/** As many as go into one option beside what is in it already. */
function fitting<Item>(items: readonly Item[], bytes: (item: Item) => number, taken = 0): readonly Item[] {
  let left = ROOM - taken;
  return items.filter((item) => {
    left -= bytes(item);
    return left >= 0;
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** RFC 3442: the length, as many bytes as it covers, the router. */
function routeBytes({ to }: { readonly to: string }): number {
  return 5 + Math.ceil(Number(to.split('/')[1] ?? 32) / 8);
}

/** 20 -> `255.255.240.0`. */
export function netmask(prefix: number): string {
  const bits = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');
}
