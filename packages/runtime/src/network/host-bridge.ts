import { plainGuest } from '../guest/nic.ts';
import { ip, tapCommand, undosOf } from './commands.ts';
import { deviceName } from './devices.ts';
import {
  emptyPlan,
  type Mode,
  missingForDevices,
  type NetworkMeans,
  type NetworkOptions,
  type NicInput,
  type NicPlan,
} from './mode.ts';
import type { NetworkSnapshot } from './snapshot.ts';

/** The bridge gets a port and is not changed otherwise, so that naming it by BRIDGE_IF is all it takes on the host. */
export const hostBridge: Mode = {
  name: 'host-bridge',
  missing,
  plan: planHostBridge,
  changesLink: false,
  standsOn: 'bridge',
  forwardsPorts: false,
  hides: false,
};

function missing(means: NetworkMeans, { bridge }: NetworkOptions, { links }: NetworkSnapshot): string | undefined {
  const bridges = links.filter(({ kind }) => kind === 'bridge').map(({ name }) => name);
  const there =
    bridges.length > 0 ? `there is ${bridges.join(', ')}` : 'there is none: the host has one, run with --net=host';
  if (bridge === undefined) return `name a bridge, as in -e BRIDGE_IF=br0 (${there})`;
  if (!bridges.includes(bridge)) return `${bridge} is no bridge here (${there})`;
  return missingForDevices(means);
}

/** A tap on a bridge that somebody else has made. Who is beyond it addresses the guest, whose MAC is its own. */
function planHostBridge(nic: NicInput): NicPlan {
  const { link, mac, index, means, snapshot } = nic;
  const tap = deviceName('tap', nic);
  const made = tapCommand(tap, means);
  const ipv6 = snapshot.routes.some(({ family }) => family === 6);
  const set = (...args: string[]) => ip('link', 'set', 'dev', tap, ...args);
  return {
    ...emptyPlan,
    mode: 'host-bridge',
    link: link.name,
    commands: [
      made,
      ...(ipv6 ? [set('addrgenmode', 'none')] : []),
      set('mtu', String(link.mtu), 'master', link.name, 'up'),
    ],
    leftovers: undosOf([made]),
    interface: { kind: 'tap', mac, device: tap, mtu: link.mtu },
    guest: { ...plainGuest(`eth${index}`, mac), acceptRa: true, mtu: link.mtu, nameservers: nic.options.dnsServers },
  };
}
