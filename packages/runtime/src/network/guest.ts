import type { GuestNic } from './mode.ts';

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
