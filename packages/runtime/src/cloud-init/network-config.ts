import { compileTemplate } from '@virtainers/core';
import type { GuestNic } from '../guest/nic.ts';

/** network-config, version 2 (cloud-init, "Networking config Version 2"); NICs are told by their MACs and named as in the container. */
export function renderNetworkConfig(template: string, network: readonly GuestNic[]): string {
  const nics = network.map((nic) => ({
    ...nic,
    mtu: nic.mtu ?? false,
    resolver: nic.nameservers.length + nic.search.length > 0,
  }));
  return compileTemplate(template)({ nics });
}
