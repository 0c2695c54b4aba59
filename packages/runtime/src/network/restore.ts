import { contains, parseAddress, parsePrefix } from '@virtainers/core';
import { isMixed } from './mixed.ts';
import { type Address, type Link, type NetworkSnapshot, prefixOfRoute, type Route } from './snapshot.ts';

/** An interface as it was, and the routes by it among others. */
export interface Taken {
  readonly link: Pick<Link, 'name' | 'mac' | 'addresses'>;
  readonly snapshot: Pick<NetworkSnapshot, 'routes'>;
  /** It makes addresses of IPv6 by itself. */
  readonly ipv6: boolean;
}

/** Routes that somebody made: not those that follow from an address or that a router announces. */
export function madeRoutes({ snapshot, link }: Pick<Taken, 'snapshot' | 'link'>, family: 4 | 6): Route[] {
  return snapshot.routes.filter(
    (route) =>
      route.family === family && route.device === link.name && route.protocol !== 'kernel' && route.protocol !== 'ra',
  );
}

/** The gateway answers on the link, though no address of the interface says that it is there (Calico). */
export function isBeyond({ addresses }: Pick<Link, 'addresses'>, gateway: string): boolean {
  if (gateway.startsWith('fe80:')) return false;
  return !addresses.some(({ address, prefix }) => isIn(`${address}/${prefix}`, gateway));
}

function isIn(network: string, text: string): boolean {
  const [prefix, address] = [parsePrefix(network), parseAddress(text)];
  return prefix !== undefined && address !== undefined && contains(prefix, address);
}

/**
 * In ip-batch's words, whatever has become of the interface since: out of the guest's service, up, addresses, then routes,
 * those first which later ones' gateways are reached by.
 */
export function restoring(taken: Taken): string {
  const { link, ipv6 } = taken;
  const made = [...madeRoutes(taken, 4), ...madeRoutes(taken, 6)];
  const ordered = [...made.filter(({ gateway }) => !gateway), ...made.filter(({ gateway }) => gateway)];
  return [
    `link set dev ${link.name} nomaster down`,
    `link set dev ${link.name} address ${link.mac}`,
    ...(ipv6 ? [`link set dev ${link.name} addrgenmode eui64`] : []),
    `link set dev ${link.name} up`,
    ...link.addresses.filter(({ dynamic }) => !dynamic).map((address) => `address add ${addressWords(taken, address)}`),
    ...ordered.map((route) => `route add ${routeWords(route, reachable(taken))}`),
    '',
  ].join('\n');
}

function addressWords({ link }: Taken, { family, address, prefix }: Address): string {
  const more = family === 6 ? ' nodad' : prefix < 31 ? ' broadcast +' : '';
  return `${address}/${prefix} dev ${link.name}${more}`;
}

function routeWords(route: Route, isReached: (gateway: string) => boolean): string {
  const { gateway, device, metric, protocol } = route;
  const via = gateway === undefined ? '' : ` via ${isMixed(route) ? 'inet6 ' : ''}${gateway}`;
  const onLink = gateway === undefined || isReached(gateway) ? '' : ' onlink';
  return `${prefixOfRoute(route)}${via} dev ${device}${onLink} metric ${metric} protocol ${protocol}`;
}

/** Whether the kernel finds the way to a gateway by what was restored before. */
function reachable({ link, snapshot }: Taken): (gateway: string) => boolean {
  const onLink = snapshot.routes.flatMap(({ device, gateway, destination }) =>
    device === link.name && !gateway ? [destination] : [],
  );
  return (gateway) => !isBeyond(link, gateway) || onLink.some((network) => isIn(network, gateway));
}
