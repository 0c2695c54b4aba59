import { isIP } from 'node:net';
import { VirtainersError } from '@virtainers/core';
import type { EngineClient } from './engine/client.ts';
import { addressProblem, isNetworkName } from './engine/network.ts';
import type { RunSettings } from './run-plan.ts';

type Asked = Pick<RunSettings, 'networks' | 'addresses'>;

/** Throws ARGUMENTS_BAD with everything that `--network` and `--ip` can be told to be wrong without asking an engine. */
export function checkNetworkWords({ networks, addresses }: Asked): void {
  const problems = [
    ...(networks.length > 1 ? networks.filter((word) => !isNetworkName(word)).map(notJoinable) : []),
    ...repeated(networks).map((word) => `--network: ${word} is given twice`),
    ...addresses.filter((word) => isIP(word) === 0).map((word) => `--ip: ${JSON.stringify(word)} is no address`),
    ...repeated(addresses.map((word) => isIP(word)).filter(Boolean)).map(
      (family) => `--ip: one IPv${family} address is all that the first network takes`,
    ),
    ...(addresses.length > 0 && !isNetworkName(networks[0] ?? '') ? [NEEDS_NETWORK] : []),
  ];
  if (problems.length === 0) return;
  const hint = problems.includes(NEEDS_NETWORK) ? '`virtainers network create NAME` makes one' : undefined;
  throw new VirtainersError('ARGUMENTS_BAD', problems.join('\n'), { hint });
}

const NEEDS_NETWORK = '--ip: give --network too; a fixed address is only to be had on a network that was made by name';

/** Throws for a network that is not there, and for an address that is not on the first one. */
export async function checkNetworks(client: EngineClient, { networks, addresses }: Asked): Promise<void> {
  for (const [index, name] of networks.entries()) {
    if (!isNetworkName(name)) continue;
    const facts = await client.network(name);
    if (!facts) throw unknown(client, name);
    const problems = index === 0 ? addresses.flatMap((address) => addressProblem(address, facts) ?? []) : [];
    if (problems.length > 0) {
      throw new VirtainersError('ARGUMENTS_BAD', problems.map((text) => `--ip: ${text}`).join('\n'));
    }
  }
}

/** What a person who gave several networks should know. */
export function orderNotes({ dialect, info }: EngineClient, networks: readonly string[], container: string): string[] {
  const order = networks.toSorted();
  if (info.namesInterfaces || networks.every((word, index) => word === order[index])) return [];
  return [
    `${dialect.program} ${info.version} orders interfaces by the names of their networks (${order.join(', ')}), and its` +
      ` default route goes by the first; Docker 28 keeps the order given (see ${dialect.program} exec ${container} ip addr)`,
  ];
}

function notJoinable(word: string): string {
  return `--network: ${word} cannot be joined with others; give names of networks`;
}

function repeated<T>(words: readonly T[]): T[] {
  return [...new Set(words.filter((word, index) => words.indexOf(word) !== index))];
}

function unknown({ dialect }: EngineClient, name: string): VirtainersError {
  return new VirtainersError('NETWORK_UNKNOWN', `${dialect.name} has no network ${name}`, {
    hint: `make it: virtainers network create ${name} --engine ${dialect.name}; \`${dialect.program} network ls\` lists those there are`,
  });
}
