import { z } from 'zod';
import type { Attachment, AttachmentWords } from './engine.ts';
import { type NetworkFacts, readSubnets } from './network.ts';

const networks = z.array(
  z.object({
    name: z.string(),
    driver: z.string(),
    subnets: z.array(z.object({ subnet: z.string(), gateway: z.string().nullish() })).nullish(),
  }),
);

/** Alike for its backends, netavark and CNI. */
export function parsePodmanNetworks(json: unknown): NetworkFacts[] {
  return networks
    .parse(json)
    .map(({ name, driver, subnets }) => ({ name, driver, subnets: readSubnets(subnets ?? []) }));
}

/** Unless it is told which interface is which, the order is another one at every start. */
export function attachPodman({ networks: names, addresses }: Attachment): AttachmentWords {
  const flags = names.flatMap((name, index) => {
    const own = index === 0 ? addresses.map((address) => `ip=${address}`) : [];
    return ['--network', `${name}:${[...own, `interface_name=eth${index}`].join(',')}`];
  });
  return { flags, connect: [] };
}
