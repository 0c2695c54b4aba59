import { innerNetwork } from './inner.ts';
import { type NetworkInput, type NetworkPlan, noPlan, type PlannedCommand } from './mode.ts';
import { ipv4Addresses, type NetworkSnapshot, primaryLink } from './snapshot.ts';

const TAP = 'vm0';

/**
 * The guest on an inner /24 behind a tap; whatever is sent to an address of the container arrives in the guest, and
 * what the guest sends leaves with the container's address. dnsmasq on the tap gives the one lease and forwards DNS,
 * so that Docker's 127.0.0.11 works in the guest.
 */
export function planNat(input: NetworkInput): NetworkPlan {
  const { snapshot, uid, gid } = input;
  const link = primaryLink(snapshot);
  const { inner, losses } = innerNetwork(input);
  const gateway = `${inner}.1`;
  const guest = `${inner}.100`;
  const mtu = link?.mtu ?? 1500;
  const mac = input.macAt(0);
  const addresses = ipv4Addresses(snapshot);
  return {
    ...noPlan,
    mode: 'nat',
    commands: [
      ...tapCommands(gateway, mtu, uid, gid),
      {
        file: 'nft',
        args: ['-f', '-'],
        input: natRules(guest, addresses),
        undo: { file: 'nft', args: ['delete', 'table', 'ip', 'virtainers'] },
      },
    ],
    daemons: [{ file: 'dnsmasq', args: dnsmasqArguments({ inner, mac, mtu, snapshot, runFolder: input.runFolder }) }],
    interfaces: [{ kind: 'tap', mac, device: TAP, mtu }],
    addresses,
    guestAddress: guest,
    losses,
  };
}

function tapCommands(gateway: string, mtu: number, uid: number, gid: number): PlannedCommand[] {
  const ip = (...args: string[]): PlannedCommand => ({ file: 'ip', args });
  return [
    {
      ...ip('tuntap', 'add', 'dev', TAP, 'mode', 'tap', 'user', String(uid), 'group', String(gid), 'vnet_hdr'),
      undo: { file: 'ip', args: ['link', 'delete', TAP] },
    },
    ip('link', 'set', 'dev', TAP, 'mtu', String(mtu), 'up'),
    ip('address', 'add', `${gateway}/24`, 'dev', TAP),
  ];
}

/**
 * All protocols, all ports. `output` is for programs in the container that call its own address; what the guest itself
 * sends to the container's address stays in the container (nftables wiki, "Performing Network Address Translation").
 */
export function natRules(guest: string, addresses: readonly string[]): string {
  const own = addresses.length > 0 ? [`    ip daddr { ${addresses.join(', ')} } dnat to ${guest}`] : [];
  return [
    'table ip virtainers {',
    '  chain prerouting {',
    '    type nat hook prerouting priority dstnat; policy accept;',
    `    iifname != { "lo", "${TAP}" } fib daddr type local dnat to ${guest}`,
    '  }',
    '  chain output {',
    '    type nat hook output priority dstnat; policy accept;',
    ...own,
    '  }',
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    `    ip saddr ${guest} oifname != "${TAP}" masquerade`,
    `    ip saddr != ${guest} ip daddr ${guest} fib saddr type local masquerade`,
    '  }',
    '}',
    '',
  ].join('\n');
}

interface DnsmasqInput {
  readonly inner: string;
  readonly mac: string;
  readonly mtu: number;
  readonly snapshot: NetworkSnapshot;
  readonly runFolder: string;
}

/** dnsmasq(8). It listens on the tap alone; the lease is bound to the guest's MAC and never ends. */
function dnsmasqArguments({ inner, mac, mtu, snapshot, runFolder }: DnsmasqInput): string[] {
  const { search } = snapshot.resolver;
  return [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--log-facility=-',
    `--pid-file=${runFolder}/dnsmasq.pid`,
    `--dhcp-leasefile=${runFolder}/dnsmasq.leases`,
    `--interface=${TAP}`,
    '--except-interface=lo',
    '--bind-interfaces',
    '--no-ping',
    '--dhcp-authoritative',
    `--dhcp-range=${inner}.100,${inner}.100,255.255.255.0,infinite`,
    `--dhcp-host=${mac},${inner}.100,${snapshot.hostname},infinite`,
    `--dhcp-option=option:mtu,${mtu}`,
    ...(search.length > 0 ? [`--dhcp-option=option:domain-search,${search.join(',')}`] : []),
  ];
}
