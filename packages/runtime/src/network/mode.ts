import type { GuestNic } from '../guest/nic.ts';
import type { Forward, Port } from '../guest/port.ts';
import type { Link, NetworkSnapshot } from './snapshot.ts';

export const MODE_NAMES = ['nat', 'bridge', 'macvtap', 'host-bridge', 'passt', 'user', 'none'] as const;

export type ModeName = (typeof MODE_NAMES)[number];

/** What was asked for by the settings. */
export type NetworkAsk =
  | { readonly kind: 'auto' }
  /** Every NIC in one mode. `by`: the setting that asked for it. */
  | { readonly kind: 'all'; readonly mode: ModeName; readonly by: string }
  /** `eth0=macvtap eth1=nat`: these NICs and no others, whose names are thereby said. */
  | { readonly kind: 'each'; readonly modes: readonly { readonly link: string; readonly mode: ModeName }[] };

/** The settings that modes look at. */
export interface NetworkOptions {
  /** ATTACH_IFACES with AUTO_ATTACH=no: these interfaces and no others. Undefined: every one that there is. */
  readonly attach: readonly string[] | undefined;
  /** SELECTED_NETWORK: which of an interface's addresses the guest gets. */
  readonly selectedNetwork: string | undefined;
  /** No NO_DHCP and no ENABLE_DHCP=no. */
  readonly dhcp: boolean;
  readonly dnsmasqOptions: readonly string[];
  /** Told to the guest before the container's own. */
  readonly dnsServers: readonly string[];
  readonly bridge: string | undefined;
  readonly ports: readonly Port[];
  /** The wished inner /24: `192.168.100`. */
  readonly cidr: string;
}

/** What the container allows, and who runs QEMU. */
export interface NetworkMeans {
  /** Root in the container: a mode that makes devices needs it. */
  readonly root: boolean;
  readonly netAdmin: boolean;
  readonly tun: boolean;
  readonly hostNetwork: boolean;
  readonly ipv4Forwarding: boolean;
  /** The container forwards IPv6, and has it on the devices that are made in it. */
  readonly ipv6Forwarding: boolean;
  /** What to add for that, where it does not. */
  readonly ipv6Add: string;
  /** Why a macvtap's node cannot be opened, with what to add; undefined: it can. */
  readonly macvtapMissing: string | undefined;
  /** Why passt cannot run here; undefined: it can, or nobody has tried because a better mode is at hand. */
  readonly passtMissing: string | undefined;
  /** QEMU finds /dev/vhost-net. */
  readonly vhostNet: boolean;
  readonly uid: number;
  readonly gid: number;
  /** Ports below this are not QEMU's to open. */
  readonly unprivilegedPortStart: number;
  /** The supervisor itself may open them. */
  readonly mayBindLow: boolean;
  /** Ports that something else listens on: `53/udp`; undefined: nobody has looked. */
  readonly portsInUse?: ReadonlySet<string> | undefined;
  /** QEMU's group may open sockets for ping; undefined: nobody has looked. */
  readonly mayPing?: boolean | undefined;
}

/** What a mode is given to plan one NIC of the guest; plain values. */
export interface NicInput {
  /** Position among the guest's NICs. */
  readonly index: number;
  /** The container's interface that the NIC stands for; ISOLATED where the container has none. */
  readonly link: Link;
  readonly snapshot: NetworkSnapshot;
  /** The guest's own MAC, kept with its data. Modes that take the container's over do not use it. */
  readonly mac: string;
  /** A free network for the guest's side. */
  readonly inner: Inner;
  /** This NIC carries the container's default route, or is the first where there is none. */
  readonly primary: boolean;
  /** PORTS are forwarded by this NIC: the first of those that forward by port. */
  readonly forwardsPorts: boolean;
  readonly options: NetworkOptions;
  readonly means: NetworkMeans;
  /** Where a daemon of the mode may keep files. */
  readonly runFolder: string;
}

/** The guest's side of a NIC that hides behind the container's address. */
export interface Inner {
  /** First three bytes of its /24: `192.168.100`. */
  readonly ipv4: string;
  /** Its /64 without the host part: `fd76:6d64:1:64::`. */
  readonly ipv6: string;
}

/** What has to be done for one NIC, and what comes of it. Nothing has happened yet. */
export interface NicPlan {
  readonly mode: ModeName;
  /** The container's interface. */
  readonly link: string;
  /** In order; undone in reverse where `undo` says how. */
  readonly commands: readonly PlannedCommand[];
  /** Run first, failures ignored: what a killed life of this container may have left in a namespace that outlived it. */
  readonly leftovers: readonly Command[];
  /** Run beside the domain until its end. */
  readonly daemons: readonly Command[];
  readonly interface: PlannedInterface | undefined;
  /**
   * The macvtap that needs its node in /dev, by which QEMU opens it. The kernel chooses the node's name and number, so
   * that apply.ts reads them when the commands have run.
   */
  readonly tapNode: string | undefined;
  /** Under which the guest answers from outside the container. */
  readonly addresses: readonly string[];
  /** The guest's address as the container itself reaches it; undefined: it does not. */
  readonly guestAddress: string | undefined;
  /** How the guest's cloud-init sets the NIC up where plain DHCP does not do; undefined: it does. */
  readonly guest: GuestNic | undefined;
  /** For QEMU's user network (monitor) or passt (XML). */
  readonly forwards: readonly Forward[];
  /** What does not work, for the log: each with what would make it work. */
  readonly losses: readonly string[];
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

export interface PlannedCommand extends Command {
  readonly input?: string;
  readonly undo?: Command & { readonly input?: string };
}

export type PlannedInterface =
  /** A tap or macvtap that exists when the domain starts. */
  | { readonly kind: 'tap'; readonly mac: string; readonly device: string; readonly mtu: number }
  /** QEMU's own network; `subnet` is its /24 (`192.168.100.0`), `subnet6` its /64. */
  | {
      readonly kind: 'user';
      readonly mac: string;
      readonly subnet: string;
      readonly subnet6: string;
      readonly mtu: number;
    }
  | {
      readonly kind: 'passt';
      readonly mac: string;
      /** The container's interface that it speaks through; undefined: passt chooses. */
      readonly source: string | undefined;
      readonly forwards: readonly Forward[];
      readonly mtu: number;
    };

/** All NICs together, in the guest's order. */
export interface NetworkPlan {
  readonly nics: readonly NicPlan[];
  /** About the choice rather than a NIC. */
  readonly losses: readonly string[];
}

/** A row of the table in choose.ts. */
export interface Mode {
  readonly name: ModeName;
  /** What is missing for it, with what to add; undefined when it can work. */
  readonly missing: (means: NetworkMeans, options: NetworkOptions, snapshot: NetworkSnapshot) => string | undefined;
  readonly plan: (nic: NicInput) => NicPlan;
  /** In the host's network namespace it changes the interface that it stands for, which must then be named. */
  readonly changesLink: boolean;
  /**
   * What the guest gets a NIC for: every interface, or those that have addresses, or the one bridge that was named, which
   * says nothing about how many interfaces there are; `nothing`: it has no NIC.
   */
  readonly standsOn: 'interfaces' | 'addresses' | 'bridge' | 'nothing';
  /** The world reaches the guest by PORTS and no others. */
  readonly forwardsPorts: boolean;
  /** The guest is on an inner network. */
  readonly hides: boolean;
}

/** What a NIC plan is without further ado. */
export const emptyPlan = {
  commands: [],
  leftovers: [],
  daemons: [],
  interface: undefined,
  tapNode: undefined,
  addresses: [],
  guestAddress: undefined,
  guest: undefined,
  forwards: [],
  losses: [],
} as const satisfies Partial<NicPlan>;

/** What every mode that makes devices needs. */
export function missingForDevices(means: NetworkMeans): string | undefined {
  if (!means.root) return 'it needs root in the container: run without --user';
  const add = [...(means.netAdmin ? [] : ['--cap-add NET_ADMIN']), ...(means.tun ? [] : ['--device /dev/net/tun'])];
  return add.length > 0 ? `add ${add.join(' ')}` : undefined;
}
