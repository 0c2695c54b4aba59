import type { NetworkMeans, PlannedCommand } from './mode.ts';

/** A tap for QEMU's user, with checksums and segments left to whom they are cheapest for (vnet_hdr). */
export function tapCommand(tap: string, { uid, gid }: Pick<NetworkMeans, 'uid' | 'gid'>): PlannedCommand {
  const owner = ['user', String(uid), 'group', String(gid)];
  return {
    file: 'ip',
    args: ['tuntap', 'add', 'dev', tap, 'mode', 'tap', ...owner, 'vnet_hdr'],
    undo: { file: 'ip', args: ['link', 'delete', tap] },
  };
}
