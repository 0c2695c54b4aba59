import { z } from 'zod';
import type { Virsh } from './virsh.ts';

/** QEMU, qapi/machine.json and control.json: what we rely on. */
const versionSchema = z.object({ qemu: z.object({ major: z.number(), minor: z.number(), micro: z.number() }) });
const kvmSchema = z.object({ enabled: z.boolean() });
const memorySchema = z.object({ 'base-memory': z.number() });
const cpusSchema = z.array(z.unknown());

/**
 * What the guest's memory depends on and QEMU does not notice, or not in words for people, by name: memory that was kept
 * with other values is not resumed. `cpuinfo`: the text of /proc/cpuinfo, which a guest under KVM sees.
 */
export async function memoryNeeds(virsh: Pick<Virsh, 'qmp'>, cpuinfo: string): Promise<Record<string, string>> {
  const { qemu } = versionSchema.parse(await virsh.qmp('query-version'));
  const { enabled } = kvmSchema.parse(await virsh.qmp('query-kvm'));
  const memory = memorySchema.parse(await virsh.qmp('query-memory-size-summary'))['base-memory'];
  const cpus = cpusSchema.parse(await virsh.qmp('query-cpus-fast')).length;
  return {
    QEMU: `${qemu.major}.${qemu.minor}.${qemu.micro}`,
    ACCEL: enabled ? 'kvm' : 'tcg',
    ...(enabled ? { 'the CPU': /^(?:model name|CPU part)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? 'unknown' } : {}),
    RAM: `${memory / 1024 ** 2} MiB`,
    CPU: `${cpus}`,
  };
}

/** Every value in which the two differ; empty: the memory may be resumed. */
export function unmetNeeds(
  kept: Readonly<Record<string, string>> | undefined,
  present: Readonly<Record<string, string>>,
): string[] {
  if (!kept) return ['nothing tells what it was made with'];
  const names = [...new Set([...Object.keys(kept), ...Object.keys(present)])];
  return names
    .filter((name) => kept[name] !== present[name])
    .map((name) => `${name}: kept with ${kept[name] ?? 'none'}, now ${present[name] ?? 'none'}`);
}
