import {
  type Address,
  bounds,
  contains,
  formatAddress,
  formatPrefix,
  type Prefix,
  parseAddress,
  parsePrefix,
  VirtainersError,
} from '@virtainers/core';
import { isNetworkName } from '../engine/network.ts';

/** What a person asks of `virtainers network create`, in their words. */
export interface NetworkWords {
  readonly name: string;
  readonly subnet: readonly string[];
  readonly ipRange: readonly string[];
  readonly gateway: readonly string[];
  /** An interface of this machine whose network the guests join. */
  readonly macvlan?: string | undefined;
  /** The subnet is a part of the LAN's own. */
  readonly external: boolean;
}

/** The same, understood. */
export interface NetworkWish {
  readonly name: string;
  /** At most one of each family. */
  readonly subnets: readonly Prefix[];
  readonly ranges: readonly Prefix[];
  readonly gateways: readonly Address[];
  readonly macvlan: string | undefined;
  readonly external: boolean;
}

/** Room for a gateway and one guest, between the network's own address and its last. */
const LONGEST = { 4: 30, 6: 126 } as const;

/** Throws ARGUMENTS_BAD with everything that is wrong in itself or contradicts the rest. */
export function readWish(words: NetworkWords): NetworkWish {
  const problems: string[] = [];
  const wish = {
    name: words.name,
    subnets: words.subnet.flatMap((text) => readPrefix('--subnet', text, problems)),
    ranges: words.ipRange.flatMap((text) => readPrefix('--ip-range', text, problems)),
    gateways: words.gateway.flatMap((text) => readGateway(text, problems)),
    macvlan: words.macvlan,
    external: words.external,
  };
  refuse([
    ...problems,
    ...nameProblems(wish),
    ...lengthProblems(wish),
    ...repeatedFamilies(wish),
    ...externalProblems(wish),
    ...missingSubnets(words, wish),
    ...wish.subnets.flatMap((subnet) => fitProblems(subnet, wish)),
  ]);
  return wish;
}

/** What of the ranges and gateways of a subnet's family lies outside it, or cannot be a gateway. */
export function fitProblems(subnet: Prefix, { ranges, gateways }: Pick<NetworkWish, 'ranges' | 'gateways'>): string[] {
  const { first, last } = bounds(subnet);
  const outside = `is not within ${formatPrefix(subnet)}`;
  return [
    ...ranges
      .filter((range) => range.family === subnet.family && !contains(subnet, range))
      .map((range) => `--ip-range: ${formatPrefix(range)} ${outside}`),
    ...gateways.flatMap((gateway) => {
      const word = `--gateway: ${formatAddress(gateway)}`;
      if (gateway.family !== subnet.family) return [];
      if (!contains(subnet, gateway)) return [`${word} ${outside}`];
      const named = gateway.value === first.value || (gateway.family === 4 && gateway.value === last.value);
      return named ? [`${word} is the network's own or its broadcast address`] : [];
    }),
  ];
}

export function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new VirtainersError('ARGUMENTS_BAD', problems.join('\n'));
}

function readPrefix(flag: string, text: string, problems: string[]): Prefix[] {
  const prefix = parsePrefix(text);
  if (!prefix) {
    problems.push(`${flag}: ${JSON.stringify(text)} is not a range of addresses such as 172.28.1.0/24 or fd12:1::/64`);
    return [];
  }
  const written = parseAddress(text.split('/')[0] ?? '');
  if (written?.value !== prefix.base) {
    problems.push(`${flag}: ${text} begins in the middle of its range; ${formatPrefix(prefix)} is the whole`);
  }
  return [prefix];
}

function readGateway(text: string, problems: string[]): Address[] {
  const address = parseAddress(text);
  if (address) return [address];
  problems.push(`--gateway: ${JSON.stringify(text)} is not an address such as 172.28.1.1`);
  return [];
}

function nameProblems({ name }: NetworkWish): string[] {
  if (isNetworkName(name)) return [];
  const rule = 'letters, digits, `_`, `.` and `-`, and no word that engines use themselves, such as host';
  return [`${JSON.stringify(name)} cannot be a network's name: ${rule}`];
}

function lengthProblems({ subnets }: NetworkWish): string[] {
  return subnets
    .filter(({ family, length }) => length > LONGEST[family])
    .map((subnet) => `--subnet: ${formatPrefix(subnet)} has no room for a gateway and a guest`);
}

function repeatedFamilies({ subnets, ranges, gateways }: NetworkWish): string[] {
  const given = { '--subnet': subnets, '--ip-range': ranges, '--gateway': gateways };
  return Object.entries(given).flatMap(([flag, values]) =>
    ([4, 6] as const)
      .filter((family) => values.filter((value) => value.family === family).length > 1)
      .map((family) => `${flag}: at most one of IPv${family}`),
  );
}

function externalProblems({ external, subnets, macvlan }: NetworkWish): string[] {
  if (!external || macvlan !== undefined) return [];
  const missing = subnets.length === 0;
  return [
    ...(missing ? ['--external: give --subnet, the part of the LAN that its DHCP server leaves alone'] : []),
    ...(subnets.some(({ family }) => family === 6) ? ['--external: for IPv4 only'] : []),
  ];
}

/** A macvlan network takes its parent's IPv4 subnet where none is given. What is wrong in itself is not missing too. */
function missingSubnets({ subnet }: NetworkWords, { subnets, ranges, gateways, macvlan }: NetworkWish): string[] {
  if (subnets.length < subnet.length) return [];
  const lacks = ({ family }: Prefix | Address) =>
    !(family === 4 && macvlan !== undefined) && !subnets.some((each) => each.family === family);
  return [
    ...ranges.filter(lacks).map((range) => `--ip-range: ${formatPrefix(range)} needs a --subnet`),
    ...gateways.filter(lacks).map((gateway) => `--gateway: ${formatAddress(gateway)} needs a --subnet`),
  ];
}
