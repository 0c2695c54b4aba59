import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Exec } from '@virtainers/core';
import { z } from 'zod';

/** The container's network as it was before anything here touched it. Modes turn this into plans. */
export interface NetworkSnapshot {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
  readonly resolver: Resolver;
  readonly hostname: string;
}

export interface Link {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** The kernel's word for what it is (`veth`, `bridge`, `macvlan`, `tun`); undefined: a device of the machine. */
  readonly kind: string | undefined;
  /** The bridge that it is a port of. */
  readonly master: string | undefined;
  /** Global ones, in the order of `ip`: those of IPv4 first. */
  readonly addresses: readonly Address[];
}

export interface Address {
  readonly family: 4 | 6;
  readonly address: string;
  readonly prefix: number;
  /** By router advertisement (SLAAC); the guest makes its own in the same way. */
  readonly dynamic: boolean;
}

export interface Route {
  readonly family: 4 | 6;
  /** `default` or a prefix; an address alone is a prefix of its full length. */
  readonly destination: string;
  /** Undefined: on the link itself. IPv4 may lead to one of IPv6. */
  readonly gateway: string | undefined;
  readonly device: string;
  /** Smaller is preferred. */
  readonly metric: number;
  /** `kernel` (follows from an address), `ra` (from a router advertisement), `boot`, `static`, ... */
  readonly protocol: string;
}

export interface Resolver {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
}

/** What `ip -json -details address` prints, as far as it is used (iproute2, ip/ipaddress.c). */
const ipAddresses = z.array(
  z.object({
    ifname: z.string().optional(),
    link_type: z.string().optional(),
    address: z.string().optional(),
    mtu: z.number().optional(),
    master: z.string().optional(),
    linkinfo: z.object({ info_kind: z.string().optional() }).optional(),
    addr_info: z
      .array(
        z.object({
          family: z.string().optional(),
          local: z.string().optional(),
          prefixlen: z.number().optional(),
          scope: z.string().optional(),
          dynamic: z.boolean().optional(),
        }),
      )
      .optional(),
  }),
);

/** Where a route leads; one with several ways has a list of them. */
const way = {
  gateway: z.string().optional(),
  /** The gateway where it is of the other family. */
  via: z.object({ host: z.string() }).optional(),
  dev: z.string().optional(),
};

const ipRoutes = z.array(
  z.object({
    type: z.string().optional(),
    dst: z.string(),
    ...way,
    nexthops: z.array(z.object(way)).optional(),
    metric: z.number().optional(),
    protocol: z.string().optional(),
  }),
);

export async function readSnapshot(exec: Exec, hostname: string): Promise<NetworkSnapshot> {
  const [addresses, routes, routes6, resolv] = await Promise.all([
    exec('ip', ['-json', '-details', 'address', 'show']),
    exec('ip', ['-json', '-4', 'route', 'show']),
    exec('ip', ['-json', '-6', 'route', 'show'], { allowFailure: true }),
    readFile('/etc/resolv.conf', 'utf8').catch(() => ''),
  ]);
  return {
    links: parseLinks(addresses.stdout),
    routes: [...parseRoutes(routes.stdout, 4), ...parseRoutes(routes6.stdout, 6)],
    resolver: parseResolver(resolv),
    hostname,
  };
}

/** Ethernet links in the order of their names (eth2 before eth10) with their global addresses; loopback and `ip`'s empty objects left out. */
export function parseLinks(json: string): Link[] {
  const links = ipAddresses.parse(JSON.parse(json || '[]')).flatMap((link): Link[] =>
    link.ifname && link.link_type === 'ether' && link.address
      ? [
          {
            name: link.ifname,
            mac: link.address,
            mtu: link.mtu ?? 1500,
            kind: link.linkinfo?.info_kind,
            master: link.master,
            addresses: (link.addr_info ?? []).flatMap(toAddress),
          },
        ]
      : [],
  );
  return links.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
}

type AddressInfo = NonNullable<z.infer<typeof ipAddresses>[number]['addr_info']>[number];

function toAddress({ family, local, prefixlen, scope, dynamic }: AddressInfo): Address[] {
  if (scope !== 'global' || !local || prefixlen === undefined) return [];
  return [{ family: family === 'inet6' ? 6 : 4, address: local, prefix: prefixlen, dynamic: dynamic ?? false }];
}

/** Unicast routes with a device, as `ip` orders them. */
export function parseRoutes(json: string, family: 4 | 6): Route[] {
  return ipRoutes
    .parse(JSON.parse(json || '[]'))
    .flatMap(({ type = 'unicast', dst, nexthops, metric = 0, protocol = 'boot', ...route }) =>
      (nexthops ?? [route]).flatMap(({ via, gateway = via?.host, dev }) =>
        dev && type === 'unicast' ? [{ family, destination: dst, gateway, device: dev, metric, protocol }] : [],
      ),
    );
}

/** A lone dot, by which engines say that there is no search domain, is none. */
const DOMAIN = /^(?!\.$)[\w.-]+$/;

/** resolv.conf(5): the last `search` or `domain` wins; comments begin with # or ;. */
export function parseResolver(text: string): Resolver {
  const nameservers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && isIP(words[0] ?? '') !== 0) nameservers.push(words[0] ?? '');
    if (keyword === 'search' || keyword === 'domain') search = words.filter((word) => DOMAIN.test(word));
  }
  return { nameservers, search };
}

/** The default route that the kernel would take: the least metric, then the first. */
export function defaultRoute({ routes }: Pick<NetworkSnapshot, 'routes'>, family: 4 | 6): Route | undefined {
  const defaults = routes.filter((route) => route.family === family && route.destination === 'default');
  return defaults.reduce<Route | undefined>(
    (best, each) => (best && best.metric <= each.metric ? best : each),
    undefined,
  );
}

/** Its destination with a length, which tells the family too. */
export function prefixOfRoute({ destination, family }: Pick<Route, 'destination' | 'family'>): string {
  if (destination === 'default') return family === 4 ? '0.0.0.0/0' : '::/0';
  return destination.includes('/') ? destination : `${destination}/${family === 4 ? 32 : 128}`;
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

export function addressesOf({ addresses }: Link, family: 4 | 6): readonly Address[] {
  return addresses.filter((address) => address.family === family);
}

/** Every global address of every link, IPv4 first. */
export function allAddresses({ links }: NetworkSnapshot): string[] {
  const of = (family: 4 | 6) => links.flatMap((link) => addressesOf(link, family).map(({ address }) => address));
  return [...of(4), ...of(6)];
}
