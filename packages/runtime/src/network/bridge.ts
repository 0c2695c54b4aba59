import { ip, tapCommand, undosOf } from './commands.ts';
import { deviceName, tableName } from './devices.ts';
import { dnsmasq, untold } from './dnsmasq.ts';
import { bridgeFence, type Fenced } from './fence.ts';
import { remember } from './memory.ts';
import { emptyPlan, type Mode, missingForDevices, type NicInput, type NicPlan, type PlannedCommand } from './mode.ts';
import {
  dhcpOffer,
  legCommands,
  planTakeover,
  releaseLink,
  takenAddresses,
  takenGuest,
  takeoverLosses,
} from './takeover.ts';

export const bridge: Mode = {
  name: 'bridge',
  missing: missingForDevices,
  plan: planBridge,
  changesLink: true,
  standsOn: 'interfaces',
  forwardsPorts: false,
  hides: false,
};

/**
 * The guest has the container's MAC and addresses, by a bridge between the container's interface, which gets another
 * MAC, and a tap. The bridge has one address of its own, for our DHCP server and for programs of the container that
 * call the guest; with NO_DHCP it has none.
 */
function planBridge(nic: NicInput): NicPlan {
  const { link } = nic;
  const takeover = planTakeover(nic);
  const [tap, leg] = [deviceName('tap', nic), deviceName('bridge', nic)];
  const fenced = { ...takeover, table: tableName(nic), link: link.name, tap, leg };
  const { served } = takeover;
  const offer = served && dhcpOffer(nic, leg, served);
  const fence = bridgeFence(fenced);
  const devices = deviceCommands(nic, fenced);
  return {
    ...emptyPlan,
    mode: 'bridge',
    link: link.name,
    commands: [
      ...remember(nic, takeover.ipv6),
      ...devices,
      ...fence,
      ...releaseLink(nic, takeover, isMacBound(nic) ? 'kept' : 'changed', ['master', leg]),
      ...(isMacBound(nic) ? forwardingEntries(nic, tap) : []),
      ip('link', 'set', 'dev', leg, 'up'),
      ...(served ? legCommands(leg, served) : []),
    ],
    leftovers: [...undosOf(devices), ...undosOf(fence)],
    daemons: offer ? [dnsmasq(offer)] : [],
    interface: { kind: 'tap', mac: link.mac, device: tap, mtu: link.mtu },
    addresses: takenAddresses(nic, takeover),
    guestAddress: served?.address.address,
    guest: takenGuest(nic, takeover),
    losses: [...takeoverLosses(nic, takeover), ...(offer ? untold(link.name, offer) : [])],
  };
}

function deviceCommands({ link, means }: NicInput, { tap, leg, linkMac, served, ipv6 }: Fenced): PlannedCommand[] {
  const mtu = ['mtu', String(link.mtu)];
  // A MAC that is set stays; one that is not follows the ports. No protocol of its own: a cable.
  const own = ['address', served?.legMac ?? linkMac];
  const plain = ['type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0'];
  const silent = (device: string) => (ipv6 ? [ip('link', 'set', 'dev', device, 'addrgenmode', 'none')] : []);
  return [
    { ...ip('link', 'add', 'name', leg, ...own, ...mtu, ...plain), undo: ip('link', 'delete', leg) },
    ...silent(leg),
    tapCommand(tap, means),
    ...silent(tap),
    ip('link', 'set', 'dev', tap, ...mtu, 'master', leg, 'up'),
  ];
}

/** A macvlan is given frames for its own MAC and no other, so that it keeps it. */
function isMacBound({ link }: NicInput): boolean {
  return link.kind === 'macvlan' || link.kind === 'macvtap';
}

/** The bridge takes what is sent to a MAC of its ports for itself; this one is the guest's. */
function forwardingEntries({ link }: NicInput, tap: string): PlannedCommand[] {
  return [
    { file: 'bridge', args: ['fdb', 'delete', link.mac, 'dev', link.name, 'master'] },
    { file: 'bridge', args: ['fdb', 'add', link.mac, 'dev', tap, 'master', 'static'] },
  ];
}
