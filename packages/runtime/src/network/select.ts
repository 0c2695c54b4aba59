import { VirtainersError } from '@virtainers/core';
import { isOurs } from './devices.ts';
import type { Mode, NetworkOptions } from './mode.ts';
import { defaultRoute, type Link, type NetworkSnapshot } from './snapshot.ts';

/** Stands for the interface of a container that has none: the guest is then reached from inside the container only. */
export const ISOLATED: Link = { name: 'none', mac: '', mtu: 1500, kind: undefined, master: undefined, addresses: [] };

/**
 * The interfaces that the guest gets a NIC for, in the container's order: those of ATTACH_IFACES, else every one but
 * bridges, their ports and our own devices. Where the container has none, ISOLATED, which only a mode that hides the
 * guest can stand on.
 */
export function attachedLinks(
  snapshot: NetworkSnapshot,
  { attach }: NetworkOptions,
  mode: Pick<Mode, 'name' | 'standsOn'>,
): readonly Link[] {
  if (attach !== undefined) return attach.map((name) => linkNamed(snapshot, name, 'ATTACH_IFACES'));
  const below = mode.standsOn === 'interfaces';
  const links = snapshot.links.filter(
    ({ kind, master, name, addresses }) =>
      kind !== 'bridge' && master === undefined && !isOurs(name) && (below || addresses.length > 0),
  );
  if (links.length > 0) return links;
  if (!below) return [ISOLATED];
  throw new VirtainersError('NETWORK_UNAVAILABLE', `${mode.name} cannot work in this container`, {
    hint: 'it has no network interface to give to the guest: run it in a network',
  });
}

/**
 * Of the host's own interfaces the one that leads out, a bridge like any other; where that is not to be seen the first with an
 * address that is no bridge. The rest are networks of others (docker0, a VPN's), of which no guest was asked to be a part.
 */
export function hostLinks(snapshot: NetworkSnapshot): readonly Link[] {
  const addressed = snapshot.links.filter(({ name, addresses }) => !isOurs(name) && addresses.length > 0);
  const ways = [defaultRoute(snapshot, 4), defaultRoute(snapshot, 6)].flatMap((route) => route?.device ?? []);
  const leading = ways.flatMap((device) => addressed.find(({ name }) => name === device) ?? []);
  return [leading[0] ?? addressed.find(({ kind }) => kind !== 'bridge') ?? addressed[0] ?? ISOLATED];
}

/** Without what an earlier life of this container has left: it goes before anything is made. In the host's it may be another's. */
export function withoutOurs(snapshot: NetworkSnapshot): NetworkSnapshot {
  return {
    ...snapshot,
    links: snapshot.links.filter(({ name }) => !isOurs(name)),
    routes: snapshot.routes.filter(({ device }) => !isOurs(device)),
  };
}

/** Throws NETWORK_UNAVAILABLE, listing what there is. */
export function linkNamed({ links }: NetworkSnapshot, name: string, setting: string): Link {
  const link = links.find((each) => each.name === name);
  if (link) return link;
  const there = links.map((each) => each.name).filter((each) => !isOurs(each));
  throw new VirtainersError('NETWORK_UNAVAILABLE', `${setting} names ${name || 'no interface'}, which is not there`, {
    hint: there.length > 0 ? `the container has ${there.join(', ')}` : 'the container has no network interface',
  });
}
