import { type Address, contains, formatAddress, formatPrefix, type Prefix, VirtainersError } from '@virtainers/core';
import type { Engine } from '../engine/find.ts';
import type { HostNetworks } from './host.ts';
import { engineProblems, externalProblems, lanOf, parentProblems, routerOf } from './lan.ts';
import {
  collectUses,
  describeOverlap,
  type EngineNetworks,
  findOverlaps,
  freeSubnet,
  samePrefix,
  type Use,
} from './uses.ts';
import { fitProblems, type NetworkWish, refuse } from './wish.ts';

/** What was found out before planning. */
export interface NetworkFindings {
  readonly engine: Engine;
  /** This machine's own; undefined: the engine runs containers elsewhere. */
  readonly host: HostNetworks | undefined;
  /** Of every engine whose bridges are this machine's, the chosen one among them. */
  readonly engines: readonly EngineNetworks[];
}

export interface NetworkPlan {
  readonly name: string;
  readonly driver: 'bridge' | 'macvlan';
  readonly parent: string | undefined;
  readonly subnets: readonly PlannedSubnet[];
  /** Of the engine's command, the program itself left out. */
  readonly args: readonly string[];
}

export interface PlannedSubnet {
  readonly prefix: Prefix;
  readonly range: Prefix | undefined;
  readonly gateway: Address;
}

/** What tells a network that virtainers made from others. */
const MARK = 'io.virtainers.network=1';

/** Decides everything about a network, and refuses one that cannot work or would take addresses that are in use. */
export function planNetwork(wish: NetworkWish, findings: NetworkFindings): NetworkPlan {
  const { engine, host } = findings;
  const uses = collectUses(findings.engines, host ?? { links: [], routes: [] });
  refuse([...engineProblems(wish, engine, host), ...parentProblems(wish, host, uses)]);
  const prefixes = choosePrefixes(wish, host, uses);
  refuse(prefixes.flatMap((prefix) => fitProblems(prefix, wish)));
  if (host) refuse(externalProblems(wish, host, uses));
  refuseOverlaps(wish, prefixes, uses, host);
  const subnets = prefixes.map((prefix) => planSubnet(prefix, wish, host));
  const driver = wish.macvlan === undefined ? 'bridge' : 'macvlan';
  const plan = { name: wish.name, driver, parent: wish.macvlan, subnets } as const;
  return { ...plan, args: createArgs(plan, wish.external ? (engine.dialect.externalFlags(engine.info) ?? []) : []) };
}

/** Docker's and Podman's words are the same. Podman takes ranges and gateways by their place, so those with a range come first. */
function createArgs(plan: Omit<NetworkPlan, 'args'>, external: readonly string[]): string[] {
  const subnets = plan.subnets.toSorted((a, b) => Number(b.range !== undefined) - Number(a.range !== undefined));
  return [
    ...['network', 'create', '--driver', plan.driver, '--label', MARK],
    ...(subnets.some(({ prefix }) => prefix.family === 6) ? ['--ipv6'] : []),
    ...subnets.flatMap(({ prefix, range, gateway }) => [
      ...['--subnet', formatPrefix(prefix)],
      ...(range ? ['--ip-range', formatPrefix(range)] : []),
      ...['--gateway', formatAddress(gateway)],
    ]),
    ...(plan.parent === undefined ? external : ['--opt', `parent=${plan.parent}`]),
    plan.name,
  ];
}

function choosePrefixes(wish: NetworkWish, host: HostNetworks | undefined, uses: readonly Use[]): Prefix[] {
  const { subnets, macvlan } = wish;
  if (subnets.some(({ family }) => family === 4)) return [...subnets];
  const chosen = macvlan === undefined ? freeSubnet(uses) : host && lanOf(macvlan, host);
  if (chosen) return [chosen, ...subnets];
  throw new VirtainersError('NETWORK_OVERLAPS', `making the network ${wish.name}: no private /24 is free`, {
    hint: 'give --subnet',
  });
}

function refuseOverlaps(
  wish: NetworkWish,
  prefixes: readonly Prefix[],
  uses: readonly Use[],
  host: HostNetworks | undefined,
): void {
  const overlaps = prefixes.flatMap((prefix) => {
    const unexpected = uses.filter((use) => !isExpected(use, prefix, wish, host));
    return findOverlaps(prefix, unexpected).map((use) => ({ prefix, use }));
  });
  if (overlaps.length === 0) return;
  const lines = overlaps.map(({ prefix, use }) => describeOverlap(prefix, use));
  // The only thing in the way is a LAN that the addresses are a part of.
  const onLan = overlaps.every(({ prefix, use }) => use.link !== undefined && contains(use.prefix, prefix));
  throw new VirtainersError('NETWORK_OVERLAPS', [`making the network ${wish.name}:`, ...lines].join('\n  '), {
    hint: overlapHint(wish, onLan),
  });
}

/** A network on the LAN lies in the LAN's own, which other interfaces may be in too. */
function isExpected(
  { link, prefix }: Use,
  subnet: Prefix,
  { macvlan, external }: NetworkWish,
  host: HostNetworks | undefined,
): boolean {
  if (link === undefined) return false;
  if (external && contains(prefix, subnet)) return true;
  const parent = host?.links.find(({ name }) => name === macvlan);
  return link === macvlan || (parent?.addresses.some((own) => samePrefix(own.prefix, prefix)) ?? false);
}

function overlapHint({ macvlan, external }: NetworkWish, onLan: boolean): string {
  const otherwise = macvlan === undefined ? 'leave --subnet out, and a free one is chosen' : 'give another --subnet';
  return onLan && !external ? `${otherwise}; or give --external if the LAN leaves these addresses to you` : otherwise;
}

/** What is not said: the default route's gateway on a LAN; otherwise, as engines do it, the first address. */
function planSubnet(prefix: Prefix, wish: NetworkWish, host: HostNetworks | undefined): PlannedSubnet {
  const range = wish.ranges.find(({ family }) => family === prefix.family);
  const given = wish.gateways.find(({ family }) => family === prefix.family);
  const router = wish.macvlan === undefined ? undefined : routerOf(wish.macvlan, prefix, host);
  const first = { family: prefix.family, value: prefix.base + 1n };
  return { prefix, range, gateway: given ?? router ?? first };
}
