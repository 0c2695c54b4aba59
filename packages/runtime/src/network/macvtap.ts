import { ip, undosOf } from './commands.ts';
import { deviceName, tableName } from './devices.ts';
import { dnsmasq, untold } from './dnsmasq.ts';
import { macvtapFence } from './fence.ts';
import { remember } from './memory.ts';
import {
  emptyPlan,
  type Mode,
  missingForDevices,
  type NetworkMeans,
  type NicInput,
  type NicPlan,
  type PlannedCommand,
} from './mode.ts';
import {
  dhcpOffer,
  legCommands,
  planTakeover,
  releaseLink,
  type Served,
  takenAddresses,
  takenGuest,
  takeoverLosses,
} from './takeover.ts';

export const macvtap: Mode = {
  name: 'macvtap',
  missing,
  plan: planMacvtap,
  changesLink: true,
  standsOn: 'interfaces',
  forwardsPorts: false,
  hides: false,
};

function missing(means: NetworkMeans): string | undefined {
  // What it opens is a node of the macvtap's own: /dev/net/tun has no part in it.
  return missingForDevices({ ...means, tun: true }) ?? means.macvtapMissing;
}

/**
 * The guest has the container's MAC and addresses, by a macvtap on the container's interface, which gets another MAC.
 * Our DHCP server is on a veth that the macvtap's frames for it are turned into.
 */
function planMacvtap(nic: NicInput): NicPlan {
  const { link, means } = nic;
  const takeover = planTakeover(nic);
  const [tap, leg] = [deviceName('tap', nic), deviceName('leg', nic)];
  const legPeer = deviceName('peer', nic);
  const { served } = takeover;
  const offer = served && dhcpOffer(nic, leg, served);
  const fence = macvtapFence({ ...takeover, table: tableName(nic), link: link.name, tap, leg, legPeer });
  const devices = [...tapCommands(nic, tap), ...(served ? legPair(leg, legPeer, served, link.mtu) : [])];
  const silent = [tap, ...(served ? [leg, legPeer] : [])];
  return {
    ...emptyPlan,
    mode: 'macvtap',
    link: link.name,
    commands: [
      ...remember(nic, takeover.ipv6),
      ...releaseLink(nic, takeover, 'changed', []),
      ...devices,
      ...(takeover.ipv6 ? silent.map((device) => ip('link', 'set', 'dev', device, 'addrgenmode', 'none')) : []),
      ...fence,
      ...silent.map((device) => ip('link', 'set', 'dev', device, 'up')),
      ...(served ? legCommands(leg, served) : []),
    ],
    leftovers: [...undosOf(devices), ...undosOf(fence)],
    daemons: offer ? [dnsmasq(offer)] : [],
    interface: { kind: 'tap', mac: link.mac, device: tap, mtu: link.mtu },
    tapNode: tap,
    addresses: takenAddresses(nic, takeover),
    guestAddress: served?.address.address,
    guest: takenGuest(nic, takeover),
    losses: [
      ...takeoverLosses(nic, takeover),
      ...(offer ? untold(link.name, offer) : []),
      ...(means.vhostNet ? [] : [lostVhost(nic)]),
    ],
  };
}

function lostVhost({ link }: NicInput): string {
  return `packets of ${link.name} take the way through QEMU: /dev/vhost-net is not there; load vhost_net on the host and add --device /dev/vhost-net`;
}

function tapCommands({ link }: NicInput, tap: string): PlannedCommand[] {
  const words = ['link', link.name, 'name', tap, 'address', link.mac, 'mtu', String(link.mtu)];
  return [{ ...ip('link', 'add', ...words, 'type', 'macvtap', 'mode', 'bridge'), undo: ip('link', 'delete', tap) }];
}

function legPair(leg: string, peer: string, { legMac }: Served, linkMtu: number): PlannedCommand[] {
  const mtu = ['mtu', String(linkMtu)];
  const pair = ['link', 'add', 'name', leg, 'address', legMac, ...mtu, 'type', 'veth', 'peer', 'name', peer, ...mtu];
  return [{ ...ip(...pair), undo: ip('link', 'delete', leg) }];
}
