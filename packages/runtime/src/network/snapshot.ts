import { readFile } from 'node:fs/promises';
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
  readonly addresses: readonly Address[];
}

export interface Address {
  readonly family: 4 | 6;
  readonly address: string;
  readonly prefix: number;
}

export interface Route {
  /** `default` or a prefix. */
  readonly destination: string;
  readonly gateway: string | undefined;
  readonly device: string;
}

export interface Resolver {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
}

/** What `ip -json address` prints, as far as it is used (iproute2, ip/ipaddress.c). */
const ipAddresses = z.array(
  z.object({
    ifname: z.string().optional(),
    link_type: z.string().optional(),
    address: z.string().optional(),
    mtu: z.number().optional(),
    addr_info: z
      .array(
        z.object({
          family: z.string().optional(),
          local: z.string().optional(),
          prefixlen: z.number().optional(),
          scope: z.string().optional(),
        }),
      )
      .optional(),
  }),
);

const ipRoutes = z.array(z.object({ dst: z.string(), gateway: z.string().optional(), dev: z.string().optional() }));

export async function readSnapshot(exec: Exec, hostname: string): Promise<NetworkSnapshot> {
  const [addresses, routes, resolv] = await Promise.all([
    exec('ip', ['-json', 'address', 'show']),
    exec('ip', ['-json', 'route', 'show']),
    readFile('/etc/resolv.conf', 'utf8').catch(() => ''),
  ]);
  return {
    links: parseLinks(addresses.stdout),
    routes: parseRoutes(routes.stdout),
    resolver: parseResolver(resolv),
    hostname,
  };
}

/** Ethernet links with their global addresses; loopback and `ip`'s empty objects left out. */
export function parseLinks(json: string): Link[] {
  return ipAddresses.parse(JSON.parse(json || '[]')).flatMap((link) =>
    link.ifname && link.link_type === 'ether' && link.address
      ? [
          {
            name: link.ifname,
            mac: link.address,
            mtu: link.mtu ?? 1500,
            addresses: (link.addr_info ?? []).flatMap((info) =>
              info.scope === 'global' && info.local && info.prefixlen !== undefined
                ? [{ family: info.family === 'inet6' ? 6 : 4, address: info.local, prefix: info.prefixlen } as const]
                : [],
            ),
          },
        ]
      : [],
  );
}

export function parseRoutes(json: string): Route[] {
  return ipRoutes
    .parse(JSON.parse(json || '[]'))
    .flatMap(({ dst, gateway, dev }) => (dev ? [{ destination: dst, gateway, device: dev }] : []));
}

/** resolv.conf(5): the last `search` or `domain` wins; comments begin with # or ;. */
export function parseResolver(text: string): Resolver {
  const nameservers: string[] = [];
  let search: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0]) nameservers.push(words[0]);
    if (keyword === 'search' || keyword === 'domain') search = words.filter((word) => word !== '.');
  }
  return { nameservers, search };
}

/** The link of the default route, else the first one with an IPv4 address. */
export function primaryLink(snapshot: NetworkSnapshot): Link | undefined {
  const device = snapshot.routes.find(({ destination }) => destination === 'default')?.device;
  const withAddress = snapshot.links.filter(({ addresses }) => addresses.some(({ family }) => family === 4));
  return withAddress.find(({ name }) => name === device) ?? withAddress[0];
}

export function ipv4Addresses({ links }: NetworkSnapshot): string[] {
  return links.flatMap(({ addresses }) => addresses.flatMap(({ family, address }) => (family === 4 ? [address] : [])));
}
