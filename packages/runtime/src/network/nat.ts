import { isIPv4 } from 'node:net';
import { plainGuest } from '../guest/nic.ts';
import { ip, nftTable, tapCommand, undosOf } from './commands.ts';
import { deviceName, tableName } from './devices.ts';
import { type DhcpOffer, dnsmasq, untold } from './dnsmasq.ts';
import {
  emptyPlan,
  type Inner,
  type Mode,
  missingForDevices,
  type NetworkMeans,
  type NicInput,
  type NicPlan,
  type PlannedCommand,
} from './mode.ts';
import { addressesOf, type Link, prefixOfRoute } from './snapshot.ts';

export const nat: Mode = {
  name: 'nat',
  missing,
  plan: planNat,
  changesLink: true,
  standsOn: 'addresses',
  forwardsPorts: false,
  hides: true,
};

function missing(means: NetworkMeans): string | undefined {
  return missingForDevices(means) ?? (means.ipv4Forwarding ? undefined : 'add --sysctl net.ipv4.ip_forward=1');
}

/**
 * The guest on an inner /24 behind a tap; whatever is sent to an address of the container's interface arrives in the
 * guest, and what the guest sends leaves with the container's address. dnsmasq on the tap gives the one lease and
 * forwards DNS, so that Docker's 127.0.0.11 works in the guest. IPv6 likewise where the container forwards it.
 */
function planNat(nic: NicInput): NicPlan {
  const { link, inner, means } = nic;
  const tap = deviceName('tap', nic);
  const guest = guestAddresses(inner);
  const own6 = addressesOf(link, 6).map(({ address }) => address);
  const ipv6 = own6.length > 0 && means.ipv6Forwarding;
  const own4 = addressesOf(link, 4).map(({ address }) => address);
  const made = tapCommand(tap, means);
  const tables = [
    natTable(nic, { family: 'ip', own: own4, guest: guest.ipv4 }),
    ...(ipv6 ? [natTable(nic, { family: 'ip6', own: own6, guest: guest.ipv6 })] : []),
  ];
  const offer = dhcpOffer(nic, tap, ipv6);
  return {
    ...emptyPlan,
    mode: 'nat',
    link: link.name,
    commands: [made, ...tapAddresses(tap, nic, ipv6), ...tables],
    leftovers: undosOf([made, ...tables]),
    daemons: [dnsmasq(offer)],
    interface: { kind: 'tap', mac: nic.mac, device: tap, mtu: link.mtu },
    addresses: ipv6 ? [...own4, ...own6] : own4,
    guestAddress: guest.ipv4,
    guest: { ...plainGuest(link.name, nic.mac), dhcp6: ipv6, acceptRa: ipv6 },
    losses: [...(own6.length > 0 && !ipv6 ? [lostIpv6(link, means)] : []), ...untold(link.name, offer)],
  };
}

function dhcpOffer(nic: NicInput, tap: string, ipv6: boolean): DhcpOffer {
  const { link, snapshot, inner, primary } = nic;
  const guest = guestAddresses(inner);
  return {
    device: tap,
    mac: nic.mac,
    address: guest.ipv4,
    prefix: 24,
    hostname: snapshot.hostname,
    mtu: link.mtu,
    router: primary ? `${inner.ipv4}.1` : undefined,
    routes: primary ? [] : routesThrough(nic),
    nameservers: nameservers(nic),
    search: snapshot.resolver.search,
    ipv6: ipv6 ? { address: guest.ipv6 } : undefined,
    extra: nic.options.dnsmasqOptions,
    runFolder: nic.runFolder,
  };
}

function lostIpv6({ name }: Link, { ipv6Add }: NetworkMeans): string {
  return `IPv6 on ${name} does not reach the guest: the container does not forward it; add ${ipv6Add}`;
}

function guestAddresses({ ipv4, ipv6 }: Inner): { ipv4: string; ipv6: string } {
  return { ipv4: `${ipv4}.100`, ipv6: `${ipv6}100` };
}

/** DNS_SERVERS come first; dnsmasq, which asks the container's own, last. */
function nameservers({ inner, options }: NicInput): string[] | undefined {
  const asked = options.dnsServers.filter((server) => isIPv4(server));
  return asked.length > 0 ? [...asked, `${inner.ipv4}.1`] : undefined;
}

/** A NIC without the default route still leads to where the container's interface does: its networks and its routes. */
function routesThrough({ link, snapshot, inner }: NicInput): { to: string; via: string }[] {
  return snapshot.routes
    .filter(({ family, device, destination }) => family === 4 && device === link.name && destination !== 'default')
    .map((route) => ({ to: prefixOfRoute(route), via: `${inner.ipv4}.1` }));
}

function tapAddresses(tap: string, { inner, link }: NicInput, ipv6: boolean): PlannedCommand[] {
  return [
    ip('link', 'set', 'dev', tap, 'mtu', String(link.mtu), 'up'),
    ip('address', 'add', `${inner.ipv4}.1/24`, 'dev', tap),
    // Nobody else is on the tap, so that there is nobody to ask whether the address is taken.
    ...(ipv6 ? [ip('address', 'add', `${inner.ipv6}1/64`, 'dev', tap, 'nodad')] : []),
  ];
}

interface Natted {
  readonly family: 'ip' | 'ip6';
  /** Addresses of the container's interface. */
  readonly own: readonly string[];
  readonly guest: string;
}

/**
 * All protocols, all ports. `output` is for programs in the container that call its own address; what the guest itself
 * sends to the container's address stays in the container (nftables wiki, "Performing Network Address Translation").
 */
function natTable(nic: NicInput, { family, own, guest }: Natted): PlannedCommand {
  const policy = 'accept';
  const toOwn = own.length > 0 ? [`${family} daddr { ${own.join(', ')} } dnat to ${guest}`] : [];
  return nftTable(family, tableName(nic), [
    {
      ...{ name: 'prerouting', type: 'nat', hook: 'hook prerouting', priority: 'dstnat', policy },
      rules: [`iifname "${nic.link.name}" fib daddr type local dnat to ${guest}`],
    },
    // dstnat, for which nft 1.0.6 has no word on this hook.
    { name: 'output', type: 'nat', hook: 'hook output', priority: '-100', policy, rules: toOwn },
    {
      ...{ name: 'postrouting', type: 'nat', hook: 'hook postrouting', priority: 'srcnat', policy },
      rules: [
        `${family} saddr ${guest} oifname != "${deviceName('tap', nic)}" masquerade`,
        `${family} saddr != ${guest} ${family} daddr ${guest} fib saddr type local masquerade`,
      ],
    },
  ]);
}
