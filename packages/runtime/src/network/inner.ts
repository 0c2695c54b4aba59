import { bounds, formatAddress, overlaps, type Prefix, parsePrefix } from '@virtainers/core';
import type { Inner } from './mode.ts';
import type { NetworkSnapshot } from './snapshot.ts';

/**
 * Networks for the guest's side, one a NIC (at least one): the wished /24 and those after it (192.168/16, then 10.200/16),
 * each the next that overlaps no network of the container; and why, where the wished one was not free.
 */
export function chooseInners(
  cidr: string,
  count: number,
  snapshot: NetworkSnapshot,
): { networks: readonly [Inner, ...Inner[]]; losses: readonly string[] } {
  const wanted = Math.max(count, 1);
  const all = candidates(cidr);
  const free = freeOf(all, wanted, usedPrefixes(snapshot));
  // Who is in every private network gets the wished one all the same: nat still works for whatever is not in it.
  const [first = cidr, ...others] = [...free, ...all.filter((each) => !free.includes(each))].slice(0, wanted);
  const moved = `the inner network is ${first}.0/24: ${cidr}.0/24 overlaps a network of the container`;
  return { networks: [innerOf(first), ...others.map(innerOf)], losses: first === cidr ? [] : [moved] };
}

/** The first `count` of them that overlap nothing. */
function freeOf(all: readonly string[], count: number, used: readonly Prefix[]): string[] {
  const free: string[] = [];
  for (const each of all) {
    if (free.length === count) break;
    if (isFree(innerOf(each), used)) free.push(each);
  }
  return free;
}

function candidates(cidr: string): string[] {
  const counted = Array.from({ length: 256 }, (_, index) => index);
  const start = Number(cidr.split('.')[2]);
  const nearby = counted.map((index) => `192.168.${(start + index) % 256}`);
  return [...new Set([cidr, ...nearby, ...counted.map((index) => `10.200.${index}`)])];
}

/** The IPv6 one is a unique local /64 (RFC 4193) that follows the IPv4 one, so that two NICs never share it. */
function innerOf(ipv4: string): Inner {
  const [a = 0, b = 0, c = 0] = ipv4.split('.').map(Number);
  const prefix = parsePrefix(`fd76:6d64:${((a << 8) | b).toString(16)}:${c.toString(16)}::/64`);
  return { ipv4, ipv6: prefix ? formatAddress(bounds(prefix).first) : '::' };
}

function isFree({ ipv4, ipv6 }: Inner, used: readonly Prefix[]): boolean {
  const own = [`${ipv4}.0/24`, `${ipv6}/64`].flatMap((text) => parsePrefix(text) ?? []);
  return !own.some((mine) => used.some((theirs) => overlaps(mine, theirs)));
}

/** Every prefix the container is in or has a route to, and its resolvers. */
export function usedPrefixes({ links, routes, resolver }: NetworkSnapshot): Prefix[] {
  const texts = [
    ...links.flatMap(({ addresses }) => addresses.map(({ address, prefix }) => `${address}/${prefix}`)),
    ...routes.filter(({ destination }) => destination !== 'default').map(({ destination }) => destination),
    ...routes.flatMap(({ gateway }) => gateway ?? []),
    ...resolver.nameservers,
  ];
  return texts.flatMap((text) => parsePrefix(text) ?? []);
}
