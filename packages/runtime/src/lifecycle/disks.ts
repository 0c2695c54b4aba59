import { join } from 'node:path';
import { EXTRA_DISKS, type Machine, type Status } from '@virtainers/core';
import { claimDevices } from '../disk/extra/claim.ts';
import { findExtraDisks } from '../disk/extra/find.ts';
import type { DiskAsk } from '../disk/extra/source.ts';
import type { Virsh } from '../domain/virsh.ts';
import { diskTarget, type ExtraDisk, type PlacedDisk } from '../guest/disk.ts';
import type { Deps } from './deps.ts';

/** The disks that the container was given beside the machine's own, checked, in the guest's order; nothing is written. */
export async function extraDisks(deps: Deps): Promise<PlacedDisk[]> {
  return placed(deps.machine, await findExtraDisks(deps.exec, askOf(deps, 'asking')));
}

/** The same, ready to be opened by QEMU and this machine's alone until `release`. */
export async function openExtraDisks(deps: Deps) {
  const ask = askOf(deps, 'starting');
  const disks = await findExtraDisks(deps.exec, ask);
  const release = await claimDevices(deps.exec, disks, ask);
  return { disks: placed(deps.machine, disks), release };
}

function askOf({ config, driver, facts }: Deps, when: DiskAsk['when']): DiskAsk {
  return {
    folders: EXTRA_DISKS,
    network: config.disks,
    when,
    nodes: join(driver.runFolder, 'dev/vm'),
    qemu: { uid: driver.uid, gid: driver.gid },
    asRoot: facts.uid === 0,
  };
}

function placed(machine: Machine, disks: readonly ExtraDisk[]): PlacedDisk[] {
  const first = ownDisks(machine);
  return disks.map((disk, index) => ({ ...disk, target: diskTarget(first + index) }));
}

/** How many virtio disks come before them: the machine's own, and the seed where it is one. */
function ownDisks({ ignition, seed }: Machine): number {
  return ignition === undefined && seed !== 'cdrom' ? 2 : 1;
}

/** Hands libvirt what logs in to disks on the network, before the domain is made that names it. */
export async function handSecrets({ driver }: Pick<Deps, 'driver'>, virsh: Virsh, disks: readonly PlacedDisk[]) {
  for (const { place } of disks) {
    if (place.kind !== 'network' || !place.secret) continue;
    const { type, usage } = place.secret;
    await virsh.setSecret({ type, usage, value: place.secret.value(), folder: driver.runFolder });
  }
}

/** As status.json tells it. */
export function disksStatus(disks: readonly PlacedDisk[]): Status['disks'] {
  return disks.map(({ name, serial, target, from, format, size, readonly }) => ({
    ...{ name, serial, target, from, format, readonly },
    ...(size === undefined ? {} : { size }),
  }));
}

/**
 * Why this machine's memory cannot be saved and resumed; undefined: no disk stands in the way. A guest's memory remembers what is in
 * its disks. Of a file its time tells whether somebody wrote it meanwhile; of a device, or a disk on the network, nothing does.
 */
export function whyDisksNotSaved(
  disks: readonly Pick<PlacedDisk, 'from' | 'place' | 'readonly'>[],
): string | undefined {
  const others = disks.filter(({ place, readonly }) => !readonly && place.kind !== 'file');
  if (others.length === 0) return undefined;
  return `a machine that writes ${others.map(({ from }) => from).join(', ')} cannot be saved: nothing tells whether another wrote it meanwhile`;
}
