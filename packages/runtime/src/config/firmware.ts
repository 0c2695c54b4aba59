import type { Machine } from '@virtainers/core';
import type { Reader } from './reader.ts';
import { parseYesNo } from './values.ts';

/** What starts the guest. */
export interface FirmwareSettings {
  readonly kind: Machine['firmware'];
  /** UEFI starts only what its keys vouch for. */
  readonly secureBoot: boolean;
  readonly tpm: boolean;
}

/** With 256 MiB Debian's signed GRUB resets the machine again and again under OVMF with System Management Mode; with 384 it starts. */
const SECURE_RAM_MIB = 384;

/** The image's own firmware unless another is asked for; secure boot brings UEFI by itself. */
export function readFirmware(reader: Reader, { arch, ...own }: Machine, ramMiB: number): FirmwareSettings {
  const asked = reader.oneOf('FIRMWARE', ['auto', 'bios', 'uefi'], 'auto');
  const secure = reader.read('SECURE_BOOT', parseYesNo, undefined);
  const tpm = reader.read('TPM', parseYesNo, false);
  if (asked === 'bios' && arch === 'arm64') reader.problem('FIRMWARE', 'guests of arm64 have no BIOS');
  if (asked === 'bios' && secure) reader.problem('SECURE_BOOT', 'a BIOS checks nothing, and FIRMWARE asks for one');
  if (secure && arch === 'arm64') reader.problem('SECURE_BOOT', 'not for guests of arm64 in this version');
  const kind = asked !== 'auto' ? asked : secure ? 'uefi' : own.firmware;
  const secureBoot = kind === 'uefi' && (secure ?? own.secureBoot ?? false);
  if (secureBoot && ramMiB < SECURE_RAM_MIB) reader.problem('RAM', `secure boot takes at least ${SECURE_RAM_MIB} MiB`);
  return { kind, secureBoot, tpm };
}
