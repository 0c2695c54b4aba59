import { type Address, type AddressFamily, type Exec, type Prefix, parseAddress, parsePrefix } from '@virtainers/core';
import { z } from 'zod';

/** This machine's own networks. */
export interface HostNetworks {
  readonly links: readonly HostLink[];
  readonly routes: readonly HostRoute[];
}

export interface HostLink {
  readonly name: string;
  readonly addresses: readonly { readonly address: Address; readonly prefix: Prefix }[];
}

export interface HostRoute {
  readonly family: AddressFamily;
  /** Undefined: the default route. */
  readonly prefix: Prefix | undefined;
  readonly device: string | undefined;
  /** Undefined: on the link itself. */
  readonly gateway: Address | undefined;
}

/** What `ip -json address` prints, as far as it is used (iproute2, ip/ipaddress.c). */
const addresses = z.array(
  z.object({
    ifname: z.string().optional(),
    addr_info: z.array(z.object({ local: z.string().optional(), prefixlen: z.number().optional() })).optional(),
  }),
);

/** The same of `ip -json route`. */
const routes = z.array(
  z.object({
    dst: z.string(),
    gateway: z.string().optional(),
    /** The gateway where it is of the other family. */
    via: z.object({ host: z.string().optional() }).optional(),
    dev: z.string().optional(),
  }),
);

export async function readHostNetworks(exec: Exec): Promise<HostNetworks> {
  const [links, inet, inet6] = await Promise.all([
    exec('ip', ['-json', 'address', 'show']),
    exec('ip', ['-json', '-4', 'route', 'show']),
    // A kernel without IPv6 has no such routes.
    exec('ip', ['-json', '-6', 'route', 'show'], { allowFailure: true }),
  ]);
  return {
    links: parseLinks(links.stdout),
    routes: [...parseRoutes(inet.stdout, 4), ...parseRoutes(inet6.stdout, 6)],
  };
}

/** `ip` prints nothing at all where there is nothing to say. */
function parseLinks(json: string): HostLink[] {
  return addresses.parse(JSON.parse(json || '[]')).flatMap(({ ifname, addr_info = [] }) => {
    const own = addr_info.flatMap(({ local = '', prefixlen }) => {
      const [address, prefix] = [parseAddress(local), parsePrefix(`${local}/${prefixlen}`)];
      return address && prefix ? [{ address, prefix }] : [];
    });
    return ifname === undefined ? [] : [{ name: ifname, addresses: own }];
  });
}

function parseRoutes(json: string, family: AddressFamily): HostRoute[] {
  return routes.parse(JSON.parse(json || '[]')).flatMap(({ dst, gateway, via, dev }) => {
    const prefix = parsePrefix(dst);
    if (!prefix && dst !== 'default') return [];
    return [{ family, prefix, device: dev, gateway: parseAddress(gateway ?? via?.host ?? '') }];
  });
}
