import { isIP } from 'node:net';
import type { NicInput } from './mode.ts';
import { prefixOfRoute, type Route } from './snapshot.ts';

/** IPv4 by a router that has IPv6 alone (RFC 8950): `via inet6 fe80::1`. */
export function isMixed({ family, gateway }: Pick<Route, 'family' | 'gateway'>): boolean {
  return gateway !== undefined && isIP(gateway) !== family;
}

/** No guest is told of such a router: DHCP has no word for it, and netplan refuses one. The container's kernel knows it. */
export function lostMixed({ link, snapshot }: Pick<NicInput, 'link' | 'snapshot'>): string[] {
  const mixed = snapshot.routes.filter((route) => route.device === link.name && isMixed(route));
  if (mixed.length === 0) return [];
  const ways = mixed.map((route) => `${prefixOfRoute(route)} via ${route.gateway}`).join(', ');
  return [
    `the guest is not told these routes of ${link.name}: ${ways}: its IPv4 cannot be given a router of IPv6; modes nat and user do without`,
  ];
}
