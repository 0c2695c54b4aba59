import type { NetworkInput } from './mode.ts';
import { chooseInner, parsePrefix } from './prefix.ts';
import type { NetworkSnapshot } from './snapshot.ts';

/** The guest's /24 (its first three numbers): the wished one, or the next that overlaps no network of the container, and then why. */
export function innerNetwork({ cidr, snapshot }: Pick<NetworkInput, 'cidr' | 'snapshot'>): {
  inner: string;
  losses: string[];
} {
  const inner = chooseInner(cidr, usedPrefixes(snapshot));
  const moved = `the inner network is ${inner}.0/24: ${cidr}.0/24 overlaps a network of the container`;
  return { inner, losses: inner === cidr ? [] : [moved] };
}

/** Every prefix the container is in or has a route to, and its resolvers. */
function usedPrefixes({ links, routes, resolver }: NetworkSnapshot) {
  const texts = [
    ...links.flatMap(({ addresses }) => addresses.map(({ address, prefix }) => `${address}/${prefix}`)),
    ...routes.filter(({ destination }) => destination !== 'default').map(({ destination }) => destination),
    ...routes.flatMap(({ gateway }) => gateway ?? []),
    ...resolver.nameservers,
  ];
  return texts.flatMap((text) => parsePrefix(text) ?? []);
}
