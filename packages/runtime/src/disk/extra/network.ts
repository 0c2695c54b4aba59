import type { Exec, NetworkDisk } from '@virtainers/core';
import type { ExtraDisk } from '../../guest/disk.ts';
import { iscsiDisk } from './iscsi.ts';
import { rbdDisk } from './rbd.ts';
import type { DiskAsk, DiskCandidate } from './source.ts';

/** Disks on the network, in the order in which they were named. */
export async function networkDisks(exec: Exec, ask: DiskAsk): Promise<DiskCandidate[]> {
  return ask.network.map((disk) => ({
    name: disk.name,
    from: disk.uri,
    examine: () => examine(exec, ask, disk),
  }));
}

function examine(exec: Exec, ask: DiskAsk, disk: NetworkDisk): Promise<ExtraDisk> {
  return disk.protocol === 'rbd' ? rbdDisk(exec, ask, disk) : iscsiDisk(exec, ask, disk);
}
