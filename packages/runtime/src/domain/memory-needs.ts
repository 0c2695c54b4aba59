import { z } from 'zod';
import { hostCpu, type MemoryFacts, memoryDifferences } from '../guest/memory-fit.ts';
import type { Virsh } from './virsh.ts';

/** QEMU, qapi/machine.json and control.json: what we rely on. */
const versionSchema = z.object({ qemu: z.object({ major: z.number(), minor: z.number(), micro: z.number() }) });
const kvmSchema = z.object({ enabled: z.boolean() });
const memorySchema = z.object({ 'base-memory': z.number() });
const cpusSchema = z.array(z.unknown());

/**
 * What the guest's memory depends on and QEMU does not notice, or not in words for people, by name: memory that was kept
 * with other values is not resumed. `cpuinfo`: the text of /proc/cpuinfo.
 */
export async function memoryNeeds(virsh: Pick<Virsh, 'qmp'>, cpuinfo: string): Promise<MemoryFacts> {
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
  };
}

/** Why the memory may not be resumed; empty: it may. */
export function unmetNeeds(kept: MemoryFacts | undefined, present: MemoryFacts): string[] {
  return kept ? memoryDifferences(kept, present, 'kept') : ['nothing tells what it was made with'];
}
