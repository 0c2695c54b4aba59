import { readFile } from 'node:fs/promises';
import { dataPaths, formatSize, overlayStamp, readSidecar, VirtainersError } from '@virtainers/core';
import { keepMemory, memoryTarget, noRoomForMemory, type Present } from '../disk/saved-memory.ts';
import type { Virsh } from '../domain/virsh.ts';
import { writableDisks } from '../domain/xml.ts';
import { hostCpu } from '../guest/memory-fit.ts';
import type { Deps } from './deps.ts';
import { whyDisksNotSaved } from './disks.ts';
import { guestNetwork } from './network.ts';
import type { Parts } from './prepare.ts';
import { whyNotSaved } from './shares.ts';

/** All that a guest's memory depends on, by its name for people. What is not here is in the domain's XML. */
export async function presentMachine(deps: Deps, parts: Parts, virsh: Virsh): Promise<Present> {
  const { config, driver, machine } = deps;
  const { disk, accelerator, network, xml } = parts;
  const paths = dataPaths(config.imageDir);
  const nics = network.nics.map(({ link, mode, interface: nic }) => `${link} ${mode} ${nic?.mac ?? 'without a NIC'}`);
  const settings = guestNetwork(network);
  const instanceId = (await readSidecar(paths.sidecar))?.instanceId;
  return {
    overlay: await overlayStamp(disk.overlay),
    fits: {
      'base disk': disk.digests.join(', ') || 'none',
      'disk size': formatSize(disk.virtualSize),
      RAM: `${config.ramMiB} MiB`,
      CPUs: `${config.cpus}`,
      CPU: cpuOf(accelerator, machine.arch, await readFile('/proc/cpuinfo', 'utf8')),
      accelerator,
      QEMU: await virsh.qemuVersion(),
      'libvirt driver': driver.kind,
      NICs: nics.join(', '),
      ...(await otherDisks(xml, disk.overlay)),
      ...(settings ? { 'network settings of the seed': JSON.stringify(settings) } : {}),
    },
    domain: xml,
    ...(instanceId === undefined ? {} : { instanceId }),
  };
}

/** When the guest's other disks were written. */
async function otherDisks(xml: string, overlay: string): Promise<Record<string, string>> {
  const others = (await writableDisks(xml)).filter((path) => path !== overlay);
  return Object.fromEntries(await Promise.all(others.map(async (path) => [`the disk ${path}`, await written(path)])));
}

async function written(path: string): Promise<string> {
  const { size, mtime } = await overlayStamp(path);
  return `${size} bytes, written at ${mtime}`;
}

/** KVM shows the guest this machine's CPU; an emulated one is the same everywhere. */
export function cpuOf(accelerator: 'kvm' | 'tcg', arch: string, cpuinfo: string): string {
  return accelerator === 'tcg' ? `emulated ${arch}` : hostCpu(cpuinfo);
}

/** Saves the guest's memory beside its disk, which ends QEMU. Gives back why not, where it cannot; the guest then goes on. */
export async function saveGuest(deps: Deps, parts: Parts, virsh: Virsh): Promise<string | undefined> {
  const { config, driver, facts } = deps;
  const paths = dataPaths(config.imageDir);
  const users = { qemu: { uid: driver.uid, gid: driver.gid }, asRoot: facts.uid === 0 };
  const hindrance =
    whyNotSaved(parts.shares) ?? whyDisksNotSaved(parts.disks) ?? (await noRoomForMemory(paths, config.ramMiB));
  if (hindrance) return hindrance;
  // Once QEMU has ended, nothing that may fail comes before the record.
  const { overlay: _, fits, ...present } = await presentMachine(deps, parts, virsh);
  try {
    await virsh.save(await memoryTarget(paths));
  } catch (error) {
    await memoryTarget(paths);
    if (error instanceof VirtainersError) return error.message;
    throw error;
  }
  // Only now are the disks as the guest left them.
  const left = { ...fits, ...(await otherDisks(parts.xml, parts.disk.overlay)) };
  await keepMemory(paths, { ...present, fits: left }, users, new Date());
  return undefined;
}
