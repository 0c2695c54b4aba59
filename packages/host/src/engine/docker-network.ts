import { isIPv6 } from 'node:net';
import { z } from 'zod';
import type { Attachment, AttachmentWords, EngineInfo } from './engine.ts';
import { addressFlags, type NetworkFacts, readSubnets } from './network.ts';
import { majorVersion } from './version.ts';

/** Since this version, Docker drops what arrives from outside for a container's own address. */
const GUARDS_ADDRESSES = 28;

const networks = z.array(
  z.object({
    Name: z.string(),
    Driver: z.string(),
    IPAM: z.object({
      Config: z.array(z.object({ Subnet: z.string().nullish(), Gateway: z.string().nullish() })).nullish(),
    }),
  }),
);

export function parseDockerNetworks(json: unknown): NetworkFacts[] {
  return networks.parse(json).map(({ Name, Driver, IPAM }) => ({
    name: Name,
    driver: Driver,
    subnets: readSubnets((IPAM.Config ?? []).map(({ Subnet, Gateway }) => ({ subnet: Subnet, gateway: Gateway }))),
  }));
}

/**
 * Docker orders interfaces by the names of their networks, and takes the first for the default route, unless it is told
 * otherwise, which it understands since 28 (even then, a network with IPv6 goes before one without). Before 25, `run` takes
 * one network only.
 */
export function attachDocker({ networks: names, addresses }: Attachment, info: EngineInfo): AttachmentWords {
  const [first = '', ...others] = names;
  if (!info.namesInterfaces) return { flags: ['--network', first, ...addressFlags(addresses)], connect: others };
  const flags = names.flatMap((name, index) => {
    const own = index === 0 ? ['gw-priority=1', ...addresses.map(addressField)] : [];
    return [
      '--network',
      [`name=${name}`, `driver-opt=com.docker.network.endpoint.ifname=eth${index}`, ...own].join(','),
    ];
  });
  return { flags, connect: [] };
}

/** Guests are reached by their addresses, as Docker let them be before. */
export function externalDocker({ version }: EngineInfo): readonly string[] {
  if (majorVersion(version) < GUARDS_ADDRESSES) return [];
  return ['--opt', 'com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected'];
}

function addressField(address: string): string {
  return `${isIPv6(address) ? 'ip6' : 'ip'}=${address}`;
}
