/** A NIC as the guest's network-config tells it (cloud-init, "Networking config Version 2"). */
export interface GuestNic {
  /** `eth0`: as in the container. */
  readonly name: string;
  readonly mac: string;
  readonly dhcp4: boolean;
  readonly dhcp6: boolean;
  readonly acceptRa: boolean;
  /** Beside what DHCP gives: `10.0.0.3/24`. */
  readonly addresses: readonly string[];
  /** Beside what DHCP gives; `to` is a prefix. */
  readonly routes: readonly { readonly to: string; readonly via: string; readonly onLink: boolean }[];
  readonly mtu: number | undefined;
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
}

/** A NIC that plain DHCP sets up. */
export function plainGuest(name: string, mac: string): GuestNic {
  return {
    name,
    mac,
    dhcp4: true,
    dhcp6: false,
    acceptRa: false,
    addresses: [],
    routes: [],
    mtu: undefined,
    nameservers: [],
    search: [],
  };
}
