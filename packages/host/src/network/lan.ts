import { type Address, contains, formatAddress, formatPrefix, type Prefix } from '@virtainers/core';
import type { Engine } from '../engine/find.ts';
import type { HostLink, HostNetworks } from './host.ts';
import type { Use } from './uses.ts';
import type { NetworkWish } from './wish.ts';

/** What the engine cannot do at all. */
export function engineProblems(
  { macvlan, external, subnets: [subnet] }: NetworkWish,
  { dialect, info }: Engine,
  host: HostNetworks | undefined,
): string[] {
  const asked = [...(macvlan === undefined ? [] : ['--macvlan']), ...(external ? ['--external'] : [])];
  if (info.rootless) {
    return asked.map((flag) => `${flag}: a rootless engine has no part in this machine's networks; run it as root`);
  }
  if (!external || macvlan !== undefined || !subnet || dialect.externalFlags(info)) return [];
  const lan = (host && lanAround(subnet, host)?.name) ?? 'INTERFACE';
  return [
    `--external: ${dialect.name} makes no bridge inside a network that this machine is in;` +
      ` --macvlan ${lan} --ip-range ${formatPrefix(subnet)} gives guests the same addresses`,
  ];
}

/** Why an interface cannot be a macvlan network's parent. */
export function parentProblems(
  { macvlan, subnets }: NetworkWish,
  host: HostNetworks | undefined,
  uses: readonly Use[],
): string[] {
  if (macvlan === undefined) return [];
  const given = subnets.some(({ family }) => family === 4);
  if (!host) return given ? [] : ['--macvlan: give --subnet too; the engine runs on another machine'];
  if (!host.links.some(({ name }) => name === macvlan)) {
    return [`--macvlan: this machine has no interface ${macvlan}; on a network are ${describeLans(uses)}`];
  }
  return given || lanOf(macvlan, host)
    ? []
    : [`--macvlan: give --subnet too; ${macvlan} has no IPv4 address to tell it`];
}

/** A bridge in the LAN takes its part of it away from this machine's own interface: nobody whom we need may live there. */
export function externalProblems(
  { external, macvlan, subnets }: NetworkWish,
  host: HostNetworks,
  uses: readonly Use[],
): string[] {
  const [subnet] = subnets;
  if (!external || macvlan !== undefined || !subnet) return [];
  const word = `--external: ${formatPrefix(subnet)}`;
  if (!lanAround(subnet, host)) {
    return [`${word} is no part of a network that this machine is in, or all of it; it is in ${describeLans(uses)}`];
  }
  const own = host.links.flatMap(({ name, addresses }) => addresses.map(({ address }) => ({ name, address })));
  return [
    ...own
      .filter(({ address }) => contains(subnet, address))
      .map(({ name, address }) => `${word} holds ${formatAddress(address)}, the address of ${name}`),
    ...host.routes.flatMap(({ gateway }) =>
      gateway && contains(subnet, gateway) ? [`${word} holds ${formatAddress(gateway)}, a gateway`] : [],
    ),
  ];
}

/** The interface whose network has the subnet as a part. */
export function lanAround(subnet: Prefix, { links }: HostNetworks): HostLink | undefined {
  return links.find(({ addresses }) =>
    addresses.some(({ prefix }) => contains(prefix, subnet) && prefix.length < subnet.length),
  );
}

/** The IPv4 network that an interface is in. */
export function lanOf(name: string, { links }: HostNetworks): Prefix | undefined {
  const addresses = links.find((link) => link.name === name)?.addresses ?? [];
  return addresses.find(({ prefix }) => prefix.family === 4)?.prefix;
}

/** Where an interface's default route goes. */
export function routerOf(link: string, subnet: Prefix, host: HostNetworks | undefined): Address | undefined {
  const routes = host?.routes.filter(({ prefix, device }) => prefix === undefined && device === link) ?? [];
  return routes.find(({ gateway }) => gateway && contains(subnet, gateway))?.gateway;
}

/** Those that no engine made. */
function describeLans(uses: readonly Use[]): string {
  const lans = uses.filter(({ link, prefix }) => link !== undefined && link !== 'lo' && prefix.family === 4);
  return lans.map(({ link, prefix }) => `${link} (${formatPrefix(prefix)})`).join(', ') || 'none';
}
