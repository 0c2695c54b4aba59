import { type Chain, nftTable } from './commands.ts';
import type { PlannedCommand } from './mode.ts';
import { hasWayOut, type Served, type Takeover } from './takeover.ts';

/** What the rules of one takeover are about. */
export interface Fenced extends Takeover {
  /** Of every table. */
  readonly table: string;
  readonly link: string;
  readonly tap: string;
  /** Where our DHCP server and the container's own programs are. */
  readonly leg: string;
}

/** Ports that no system uses for its own connections unless told to (Linux: 32768 to 60999): the container's way out. */
const OWN_PORTS = '61000-61999';

/**
 * A bridge between the interface and the tap. Our DHCP is between the guest and us: neither its question nor our answer
 * leaves, nobody else's answer comes in. The bridge itself hears only the guest, so that no router advertisement leaves
 * an address here.
 */
export function bridgeFence(fenced: Fenced): PlannedCommand[] {
  const { served, tap, table } = fenced;
  const out = served && hasWayOut(served) ? served : undefined;
  const chains: Chain[] = [
    {
      name: 'heard',
      hook: 'hook input',
      policy: 'drop',
      rules: [
        ...(served ? [`iifname "${tap}" meta protocol { arp, ip } accept`] : []),
        // Where br_netfilter is at work (Docker, Kubernetes), the address is our own again already.
        ...(out
          ? [
              `iifname "${fenced.link}" ether daddr ${out.legMac} arp operation reply accept`,
              `iifname "${fenced.link}" ether daddr ${out.legMac} ip daddr { ${out.address.address}, ${out.leg} } accept`,
            ]
          : []),
      ],
    },
    {
      name: 'said',
      hook: 'hook output',
      policy: 'drop',
      rules: [
        ...(served ? [`oifname "${tap}" accept`] : []),
        ...(out
          ? [
              `oifname "${fenced.link}" ip saddr ${out.address.address} ether saddr set ${out.guestMac} accept`,
              `oifname "${fenced.link}" arp saddr ip 0.0.0.0 ether saddr set ${out.guestMac} accept`,
            ]
          : []),
      ],
    },
  ];
  return [
    nftTable('bridge', table, chains),
    ...(served ? [nftTable('netdev', table, enteredPorts(fenced, served))] : []),
    ...(out ? wayOut(fenced, out) : []),
  ];
}

/**
 * Where a frame enters a port of the bridge: one hook either way, and the bridge's own stay out of the path between the
 * ports, where each costs more than all rules do. The way to us is by our MAC.
 */
function enteredPorts({ tap, link }: Fenced, served: Served): Chain[] {
  const toUs = `ether daddr set ${served.legMac} meta pkttype set host accept`;
  const { leg } = served;
  return [
    {
      name: 'guest',
      hook: `hook ingress device "${tap}"`,
      policy: 'accept',
      rules: [
        `${DHCP_ASKED} ${toUs}`,
        `arp saddr ip ${leg} drop`,
        `arp daddr ip ${leg} ${toUs}`,
        `ip saddr ${leg} drop`,
        `ip daddr ${leg} ${toUs}`,
      ],
    },
    {
      name: 'others',
      hook: `hook ingress device "${link}"`,
      policy: 'accept',
      rules: [
        ...notOurs(leg),
        `arp daddr ip ${leg} drop`,
        `ip daddr ${leg} drop`,
        ...(hasWayOut(served) ? [answer(served), arpAnswer(served)].map((what) => `${what} ${toUs}`) : []),
      ],
    },
  ];
}

/** What only our side says. */
function notOurs(leg: string): string[] {
  return [`${DHCP_ANSWERED} drop`, `arp saddr ip ${leg} drop`, `ip saddr ${leg} drop`];
}

const DHCP_ASKED = 'udp sport 68 udp dport 67';
const DHCP_ANSWERED = 'udp sport 67 udp dport 68';

/**
 * The macvtap's frames for us are turned into a veth, and ours into the macvtap, at the macvtap itself: what is below it
 * may be in another namespace (Docker's macvlan), where no rule of ours holds. The container's interface and the macvtap
 * are deaf for the container.
 */
export function macvtapFence(fenced: Fenced & { readonly legPeer: string }): PlannedCommand[] {
  const { served, table, link, tap } = fenced;
  const ours = `iifname { "${link}", "${tap}" }`;
  const deaf = (family: 'arp' | 'ip6') =>
    nftTable(family, `${table}_deaf`, [
      { name: 'input', hook: 'hook input', policy: 'accept', rules: [`${ours} drop`] },
    ]);
  return [
    deaf('arp'),
    ...(fenced.ipv6 ? [deaf('ip6')] : []),
    ...(served ? [nftTable('netdev', table, turnedFrames(fenced, served))] : []),
    ...(served && hasWayOut(served) ? wayOut(fenced, served) : []),
  ];
}

function turnedFrames({ tap, legPeer }: Fenced & { readonly legPeer: string }, served: Served): Chain[] {
  const { leg, legMac, guestMac, address } = served;
  const toUs = `fwd to "${legPeer}"`;
  const toGuest = `ether daddr set ${guestMac} fwd to "${tap}"`;
  const away = `ether saddr set ${guestMac} fwd to "${tap}"`;
  const out = hasWayOut(served);
  return [
    {
      name: 'guest',
      hook: `hook egress device "${tap}"`,
      policy: 'accept',
      rules: [`${DHCP_ASKED} ${toUs}`, `arp daddr ip ${leg} ${toUs}`, `ip daddr ${leg} ${toUs}`],
    },
    {
      name: 'leg',
      hook: `hook ingress device "${legPeer}"`,
      policy: 'drop',
      rules: [
        `${DHCP_ANSWERED} ${toGuest}`,
        `ip daddr ${address.address} ${toGuest}`,
        `arp daddr ip ${address.address} ${toGuest}`,
        ...(out ? [`ip saddr ${address.address} ${away}`, `arp saddr ip 0.0.0.0 ${away}`] : []),
      ],
    },
    {
      name: 'others',
      hook: `hook ingress device "${tap}"`,
      policy: 'accept',
      rules: [
        `ether saddr ${legMac} accept`,
        ...notOurs(leg),
        ...(out ? [answer(served), arpAnswer(served)].map((what) => `${what} ether daddr set ${legMac} ${toUs}`) : []),
      ],
    },
  ];
}

/** What comes back to a program of the container. */
function answer({ address }: Served): string {
  return `ip daddr ${address.address} meta l4proto { tcp, udp } th dport ${OWN_PORTS}`;
}

function arpAnswer({ gateway }: Served): string {
  return `arp operation reply arp saddr ip ${gateway} arp daddr ip 0.0.0.0`;
}

/**
 * The container's programs speak with the guest's address and MAC, from ports that the guest leaves alone. They ask for
 * the gateway's MAC as who has no address yet does (RFC 5227, ARP probe): everybody answers, nobody learns from it.
 */
function wayOut({ table, leg: device }: Fenced, { leg, address, guestMac }: Served): PlannedCommand[] {
  const guest = address.address;
  const tcpOrUdp = 'meta l4proto { tcp, udp }';
  return [
    nftTable('ip', table, [
      {
        name: 'postrouting',
        type: 'nat',
        hook: 'hook postrouting',
        priority: 'srcnat',
        policy: 'accept',
        rules: [`oifname "${device}" ip saddr ${leg} ip daddr != ${guest} ${tcpOrUdp} snat to ${guest}:${OWN_PORTS}`],
      },
    ]),
    nftTable('arp', table, [
      {
        name: 'output',
        hook: 'hook output',
        policy: 'accept',
        rules: [
          `oifname "${device}" arp daddr ip != ${guest} arp saddr ether set ${guestMac} arp saddr ip set 0.0.0.0`,
        ],
      },
    ]),
  ];
}
