import { compileTemplate } from '@virtainers/core';

/** The guest's NICs, in its order, as its network-config tells them. */
export type GuestNetwork = readonly {
  readonly name: string;
  readonly mac: string;
  readonly dhcp4: boolean;
  readonly dhcp6: boolean;
  readonly acceptRa: boolean;
  readonly addresses: readonly string[];
  readonly routes: readonly { readonly to: string; readonly via: string; readonly onLink: boolean }[];
  readonly mtu: number | undefined;
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
}[];

/** network-config, version 2 (cloud-init, "Networking config Version 2"); NICs are told by their MACs and named as in the container. */
export function renderNetworkConfig(template: string, network: GuestNetwork): string {
  const nics = network.map((nic) => ({
    ...nic,
    mtu: nic.mtu ?? false,
    resolver: nic.nameservers.length + nic.search.length > 0,
  }));
  return compileTemplate(template)({ nics });
}
