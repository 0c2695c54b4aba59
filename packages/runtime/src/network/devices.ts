import type { NicInput } from './mode.ts';

type Role = 'tap' | 'bridge' | 'leg' | 'peer';

const PREFIX: Readonly<Record<Role, string>> = { tap: 'vm', bridge: 'vbr', leg: 'vleg', peer: 'vlegp' };

/**
 * Names of what we make, one a NIC: `vm0`, `vbr0`. In the host's namespace, where other virtainers make theirs, the
 * guest's MAC makes them unlike. At most 15 characters (linux/if.h, IFNAMSIZ).
 */
export function deviceName(role: Role, nic: Pick<NicInput, 'index' | 'mac' | 'means'>): string {
  return `${PREFIX[role]}${unlike(nic)}`;
}

/** Of an nft table, in the same way. */
export function tableName(nic: Pick<NicInput, 'index' | 'mac' | 'means'>): string {
  return `virtainers${unlike(nic)}`;
}

function unlike({ index, mac, means }: Pick<NicInput, 'index' | 'mac' | 'means'>): string {
  return means.hostNetwork ? `${index}-${mac.replaceAll(':', '').slice(-6)}` : String(index);
}

/** Of our own, in a namespace where nobody else makes such: in the host's the name would say whose. */
export function isOursAlone(name: string): boolean {
  return isOurs(name) && !name.includes('-');
}

/** Of NIC number `index`, outside the host's namespace. */
export function isOfNic(name: string, index: number): boolean {
  return Object.values(PREFIX).some((prefix) => name === `${prefix}${index}`);
}

export function isOurs(name: string): boolean {
  return /^(vm|vbr|vlegp?)\d+(-[0-9a-f]{6})?$/.test(name);
}
