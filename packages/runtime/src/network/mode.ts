import type { NetworkSnapshot } from './snapshot.ts';

/** What a mode is given; plain values. */
export interface NetworkInput {
  readonly snapshot: NetworkSnapshot;
  /** The wished inner /24: `192.168.100`. */
  readonly cidr: string;
  /** The guest's MAC for NIC `index`. */
  readonly macAt: (index: number) => string;
  readonly ports: readonly Port[];
  readonly uid: number;
  readonly gid: number;
  /** Where a daemon of the mode may keep files. */
  readonly runFolder: string;
  /** Ports below this are not QEMU's to open. */
  readonly unprivilegedPortStart: number;
  /** The supervisor itself may open them. */
  readonly mayBindLow: boolean;
}

export interface Port {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** What has to be done for a mode, and what comes of it. Nothing has happened yet. */
export interface NetworkPlan {
  readonly mode: string;
  /** In order; undone in reverse where `undo` says how. */
  readonly commands: readonly PlannedCommand[];
  /** Run beside the domain until its end. */
  readonly daemons: readonly { readonly file: string; readonly args: readonly string[] }[];
  readonly interfaces: readonly PlannedInterface[];
  /** Under which the guest answers from outside the container. */
  readonly addresses: readonly string[];
  readonly guestAddress: string | undefined;
  /** hostfwd rules for QEMU's user network, once the domain runs. */
  readonly forwards: readonly Forward[];
  /** What does not work, for the log: each with what would make it work. */
  readonly losses: readonly string[];
}

export interface PlannedCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly input?: string;
  readonly undo?: { readonly file: string; readonly args: readonly string[] };
}

export interface PlannedInterface {
  readonly kind: 'tap' | 'user';
  readonly mac: string;
  /** Of a user network: its /24 (`192.168.100.0`). */
  readonly subnet?: string;
  readonly device?: string;
  readonly mtu?: number;
}

export interface Forward {
  readonly protocol: 'tcp' | 'udp';
  /** Port of the guest, and of the container where the world reaches it. */
  readonly port: number;
  /** Port that QEMU opens. */
  readonly qemuPort: number;
  /**
   * `direct`: QEMU opens `port` itself. `relayed`: only the supervisor may, and carries the bytes between. `inside`: nobody
   * may; programs in the container (`connect`) still reach the guest.
   */
  readonly way: 'direct' | 'relayed' | 'inside';
}

export const noPlan = {
  commands: [],
  daemons: [],
  interfaces: [],
  addresses: [],
  guestAddress: undefined,
  forwards: [],
  losses: [],
} as const;
