import type { Architecture } from '@virtainers/core';
import type { Accel } from './probe.ts';

/** The device as the container shows it. */
export interface KvmDevice {
  readonly openable: boolean;
  /** QEMU's user may open it: by its mode, or because it was put in the node's group. */
  readonly openableByQemu: boolean;
  readonly modeText: string;
}

export interface AcceleratorChoice {
  readonly kind: 'kvm' | 'tcg';
  readonly reason: string;
}

/** What this machine runs by itself, and what the guest is for. */
export interface Architectures {
  readonly host: Architecture;
  readonly guest: Architecture;
}

/** auto takes KVM only where code really ran in it; kvm asked for and unusable is the caller's error, with `reason`. */
export function chooseAccelerator(
  asked: Accel,
  { host, guest }: Architectures,
  device: KvmDevice | undefined,
  probe: { usable: boolean; detail: string } | undefined,
): AcceleratorChoice {
  if (asked === 'tcg') return { kind: 'tcg', reason: 'asked for by ACCEL' };
  if (host !== guest) return { kind: 'tcg', reason: `the guest is for ${guest}, this machine is of ${host}` };
  if (!device)
    return { kind: 'tcg', reason: '/dev/kvm is not in the container: add --device /dev/kvm if the host has it' };
  if (!device.openableByQemu || !device.openable) {
    return {
      kind: 'tcg',
      reason: `/dev/kvm may not be opened by QEMU's user (${device.modeText}): on the host, chmod 0666 /dev/kvm or give it a group that may write`,
    };
  }
  if (!probe?.usable) {
    return { kind: 'tcg', reason: `/dev/kvm is there but useless: ${probe?.detail ?? 'it was not tried'}` };
  }
  return { kind: 'kvm', reason: probe.detail };
}
