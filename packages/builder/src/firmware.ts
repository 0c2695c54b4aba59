import { type Architecture, type Machine, VirtainersError } from '@virtainers/core';
import type { Subject } from './bake-disk.ts';

export type Firmware = Pick<Machine, 'firmware' | 'secureBoot'>;

/**
 * BIOS, unless the disk boots with UEFI only, is to be checked by it, or somebody asks for it. ARGUMENTS_BAD for one that
 * the definition's disk does not boot with. Of somebody's own disk nothing is known.
 */
export function chooseFirmware(subject: Subject, arch: Architecture, asked: Machine['firmware'] | undefined): Firmware {
  if (arch === 'arm64') {
    if (asked === 'bios') throw new VirtainersError('ARGUMENTS_BAD', '--firmware bios: arm64 has UEFI only');
    return { firmware: 'uefi' };
  }
  if (subject.kind !== 'definition') return { firmware: asked ?? 'bios' };
  const { name, firmware: able, secureBoot } = subject.definition;
  if (asked !== undefined && !able.includes(asked)) {
    throw new VirtainersError('ARGUMENTS_BAD', `--firmware ${asked}: ${name} boots with ${able.join(' and ')} only`);
  }
  const firmware = asked ?? (secureBoot || !able.includes('bios') ? 'uefi' : 'bios');
  return { firmware, ...(secureBoot && firmware === 'uefi' ? { secureBoot } : {}) };
}
