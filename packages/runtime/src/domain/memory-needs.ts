import { type DataPaths, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import { hostCpu, type MemoryFacts, memoryDifferences } from '../guest/memory-fit.ts';
import { readDrives } from './drives.ts';
import type { Virsh } from './virsh.ts';

/** QEMU, qapi/machine.json and control.json: what we rely on. */
const versionSchema = z.object({ qemu: z.object({ major: z.number(), minor: z.number(), micro: z.number() }) });
const kvmSchema = z.object({ enabled: z.boolean() });
const memorySchema = z.object({ 'base-memory': z.number() });
const cpusSchema = z.array(z.unknown());
/** QEMU, qapi/qom.json, ObjectPropertyInfo. */
const objectsSchema = z.array(z.object({ name: z.string(), type: z.string() }));

type Qmp = Pick<Virsh, 'qmp'>;

/**
 * What the guest's memory depends on and QEMU does not notice, or not in words for people, by name: memory that was kept
 * with other values is not resumed. `cpuinfo`: the text of /proc/cpuinfo.
 */
export async function memoryNeeds(virsh: Qmp, paths: DataPaths, cpuinfo: string): Promise<MemoryFacts> {
  const { qemu } = versionSchema.parse(await virsh.qmp('query-version'));
  const { enabled } = kvmSchema.parse(await virsh.qmp('query-kvm'));
  const memory = memorySchema.parse(await virsh.qmp('query-memory-size-summary'))['base-memory'];
  const cpus = cpusSchema.parse(await virsh.qmp('query-cpus-fast')).length;
  return {
    QEMU: `${qemu.major}.${qemu.minor}.${qemu.micro}`,
    ACCEL: enabled ? 'kvm' : 'tcg',
    ...(enabled ? { 'the CPU': hostCpu(cpuinfo) } : {}),
    RAM: `${memory / 1024 ** 2} MiB`,
    CPU: `${cpus}`,
    firmware: await firmwareOf(virsh, paths),
    devices: await devicesOf(virsh),
  };
}

/** One firmware's variables in another's file would cost the machine its keys. */
async function firmwareOf(virsh: Qmp, { variables, secureVariables }: DataPaths): Promise<string> {
  const files = (await readDrives(virsh)).map(({ file }) => file);
  if (files.includes(secureVariables)) return 'UEFI with secure boot';
  return files.includes(variables) ? 'UEFI' : 'BIOS';
}

/** Those that have a name of libvirt's; the ports between them (`pci.1`) follow from them. */
async function devicesOf(virsh: Qmp): Promise<string> {
  const objects = objectsSchema.parse(await virsh.qmp('qom-list', { path: '/machine/peripheral' }));
  const names = objects.filter(({ type }) => type.startsWith('child<')).map(({ name }) => name);
  return names
    .filter((name) => !name.startsWith('pci.'))
    .sort()
    .join(' ');
}

/** Why the memory may not be resumed; empty: it may. */
export function unmetNeeds(kept: MemoryFacts | undefined, present: MemoryFacts): string[] {
  return kept ? memoryDifferences(kept, present, 'kept') : ['nothing tells what it was made with'];
}

/** Before anything goes back: a guest whose memory QEMU cannot take is lost. ARGUMENTS_BAD. */
export function requireFit(name: string, kept: MemoryFacts | undefined, present: MemoryFacts): void {
  const unmet = unmetNeeds(kept, present);
  if (unmet.length === 0) return;
  throw new VirtainersError(
    'ARGUMENTS_BAD',
    `restoring ${name}: the machine is another than the one whose memory it holds: ${unmet.join('; ')}`,
    {
      hint: 'start a container like the one that it was made in; or stop this one, restore the snapshot, and start it again: the guest boots from the disk as it was',
    },
  );
}
