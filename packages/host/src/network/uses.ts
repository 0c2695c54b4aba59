import { formatAddress, formatPrefix, overlaps, type Prefix, parsePrefix } from '@virtainers/core';
import type { EngineName } from '../engine/engine.ts';
import type { NetworkFacts } from '../engine/network.ts';
import type { HostNetworks } from './host.ts';

/** Addresses that are in use, and by what. */
export interface Use {
  readonly prefix: Prefix;
  /** For people: `docker's network bridge`. */
  readonly what: string;
  /** The interface of this machine that is itself in that network; undefined for what an engine made, and for what lies behind a gateway. */
  readonly link?: string | undefined;
}

export interface EngineNetworks {
  readonly engine: EngineName;
  readonly networks: readonly NetworkFacts[];
}

/** Engines first: what they say of their bridges names more than what `ip` says of them. */
export function collectUses(engines: readonly EngineNetworks[], host: HostNetworks): Use[] {
  const uses = [...engines.flatMap(engineUses), ...linkUses(host), ...routeUses(host)];
  return uses.filter((use, index) => uses.findIndex((other) => samePrefix(other.prefix, use.prefix)) === index);
}

export function findOverlaps(subnet: Prefix, uses: readonly Use[]): Use[] {
  return uses.filter(({ prefix }) => overlaps(prefix, subnet));
}

/** For people: which one, and which prefix. */
export function describeOverlap(subnet: Prefix, { prefix, what }: Use): string {
  return `${formatPrefix(subnet)} overlaps ${formatPrefix(prefix)}: ${what}`;
}

/** Where networks without a subnet of their own are looked for, in this order. */
const ROOM = ['172.28.0.0/16', '10.0.0.0/8', '192.168.0.0/16'];
const LENGTH = 24;

/** The first free /24; undefined: all of them are in use. */
export function freeSubnet(uses: readonly Use[]): Prefix | undefined {
  for (const subnet of subnetsOf(ROOM)) {
    if (findOverlaps(subnet, uses).length === 0) return subnet;
  }
  return undefined;
}

function* subnetsOf(texts: readonly string[]): Generator<Prefix> {
  const step = 1n << BigInt(32 - LENGTH);
  for (const room of texts.flatMap((text) => parsePrefix(text) ?? [])) {
    for (let count = 0; count < 2 ** (LENGTH - room.length); count += 1) {
      yield { family: 4, base: room.base + BigInt(count) * step, length: LENGTH };
    }
  }
}

function engineUses({ engine, networks }: EngineNetworks): Use[] {
  return networks.flatMap(({ name, subnets }) =>
    subnets.map(({ prefix }) => ({ prefix, what: `${engine}'s network ${name}` })),
  );
}

function linkUses({ links }: HostNetworks): Use[] {
  return links.flatMap(({ name, addresses }) =>
    addresses.map(({ address, prefix }) => ({
      prefix,
      what: `this machine's ${name}, which has ${formatAddress(address)}`,
      link: name,
    })),
  );
}

function routeUses({ routes }: HostNetworks): Use[] {
  return routes.flatMap(({ prefix, device, gateway }) => {
    const way = [...(gateway ? [`via ${formatAddress(gateway)}`] : []), ...(device ? [`on ${device}`] : [])].join(' ');
    return prefix
      ? [{ prefix, what: `a route of this machine ${way}`.trimEnd(), link: gateway ? undefined : device }]
      : [];
  });
}

export function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.family === b.family && a.base === b.base && a.length === b.length;
}
