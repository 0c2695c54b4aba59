import { isIPv6 } from 'node:net';
import { type Address, contains, formatPrefix, type Prefix, parseAddress, parsePrefix } from '@virtainers/core';

/** A network of an engine, in our words. */
export interface NetworkFacts {
  readonly name: string;
  readonly driver: string;
  readonly subnets: readonly { readonly prefix: Prefix; readonly gateway?: Address | undefined }[];
}

/** Words that `--network` takes for something else than a network's name, in Docker or in Podman. */
const WORDS = ['bridge', 'container', 'default', 'host', 'none', 'ns', 'pasta', 'private', 'slirp4netns'];

/** The word names a network that somebody made, and nothing else. */
export function isNetworkName(word: string): boolean {
  return /^[a-zA-Z0-9][\w.-]*$/.test(word) && !WORDS.includes(word);
}

/** Subnets that cannot be read (another driver's own words) are left out. */
export function readSubnets(
  rows: readonly { readonly subnet?: string | null | undefined; readonly gateway?: string | null | undefined }[],
): NetworkFacts['subnets'] {
  return rows.flatMap(({ subnet, gateway }) => {
    const prefix = parsePrefix(subnet ?? '');
    return prefix ? [{ prefix, gateway: parseAddress(gateway ?? '') }] : [];
  });
}

/** As `run` and `create` take fixed addresses for a single network. */
export function addressFlags(addresses: readonly string[]): string[] {
  return addresses.flatMap((address) => [isIPv6(address) ? '--ip6' : '--ip', address]);
}

/** Why an address cannot be a container's on that network; undefined: it can. */
export function addressProblem(text: string, { name, subnets }: NetworkFacts): string | undefined {
  const address = parseAddress(text);
  if (!address) return `${JSON.stringify(text)} is no address`;
  const subnet = subnets.find(({ prefix }) => contains(prefix, address));
  const all = subnets.map(({ prefix }) => formatPrefix(prefix)).join(' and ') || 'no subnet';
  if (!subnet) return `${text} is not on the network ${name}, which has ${all}`;
  return subnet.gateway?.value === address.value ? `${text} is the gateway of the network ${name}` : undefined;
}
