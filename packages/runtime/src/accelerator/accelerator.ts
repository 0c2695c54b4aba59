import { readFile, stat, writeFile } from 'node:fs/promises';
import { type Exec, KVM_PROBES, VirtainersError } from '@virtainers/core';
import type { QemuUser } from '../container/user.ts';
import { type AcceleratorChoice, type Architectures, chooseAccelerator, type KvmDevice } from './choose.ts';
import { joinGroup } from './group.ts';
import { type Accel, type KvmProbe, probeKvm, rememberedProbe, rememberProbe } from './probe.ts';

export interface AcceleratorInput extends QemuUser, Architectures {
  readonly asked: Accel;
  /** /dev/kvm as seen at start; undefined: it is not there. */
  readonly device:
    | { readonly uid: number; readonly gid: number; readonly mode: number; readonly openable: boolean }
    | undefined;
  readonly probeFolder: string;
  readonly memory: string;
}

/** Looks, tries and chooses. Throws CAPABILITY_MISSING when ACCEL=kvm cannot be had. */
export async function settleAccelerator(exec: Exec, input: AcceleratorInput): Promise<AcceleratorChoice> {
  const sought = input.asked !== 'tcg' && input.host === input.guest;
  const device = input.device && sought ? await prepareDevice(input.device, input) : undefined;
  const usable = device?.openable && device.openableByQemu;
  const probe = usable ? await probeOnce(exec, input) : undefined;
  const choice = chooseAccelerator(input.asked, input, device, probe);
  if (input.asked === 'kvm' && choice.kind !== 'kvm') {
    throw new VirtainersError('CAPABILITY_MISSING', `ACCEL=kvm: ${choice.reason}`, {
      hint: 'leave ACCEL at auto to run without KVM, which is slower',
    });
  }
  return choice;
}

async function prepareDevice(
  device: NonNullable<AcceleratorInput['device']>,
  input: AcceleratorInput,
): Promise<KvmDevice> {
  const { gid, mode, openable } = device;
  const modeText = `${mode.toString(8).padStart(4, '0')}, owner ${device.uid}:${gid}`;
  if (!input.asRoot) return { openable, openableByQemu: openable, modeText };
  const everyone = (mode & 0o006) === 0o006;
  const group = !everyone && (mode & 0o060) === 0o060;
  const joined = group && (await join(gid));
  return { openable, openableByQemu: everyone || joined, modeText };
}

async function join(gid: number): Promise<boolean> {
  const path = '/etc/group';
  try {
    const before = await readFile(path, 'utf8');
    const after = joinGroup(before, gid, 'qemu');
    if (after !== before) await writeFile(path, after);
    return true;
  } catch {
    return false;
  }
}

async function probeOnce(exec: Exec, input: AcceleratorInput): Promise<KvmProbe> {
  const key = await machineKey(input);
  const known = await rememberedProbe(input.memory, key);
  if (known) return known;
  const probe = await probeKvm(exec, input.probeFolder, input, input.host);
  await rememberProbe(input.memory, key, probe);
  return probe;
}

/** Kernel, CPU and QEMU build: what the answer hangs on. */
async function machineKey({ host }: Architectures): Promise<string> {
  const [kernel, cpuinfo, qemu] = await Promise.all([
    readFile('/proc/version', 'utf8'),
    readFile('/proc/cpuinfo', 'utf8'),
    stat(`/usr/bin/${KVM_PROBES[host].program}`),
  ]);
  const cpu = /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? '';
  return [kernel.trim(), cpu, qemu.size, qemu.mtimeMs].join(' | ');
}
