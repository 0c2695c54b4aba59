import type { Architecture } from '@virtainers/core';

/** UEFI's code, and its variables as they are before the first start. */
export interface Uefi {
  readonly code: string;
  readonly variables: string;
}

/** The machine that QEMU shows guests of an architecture, in libvirt's words. */
export interface Board {
  /** QEMU's name, in /usr/bin and for libvirt. */
  readonly program: string;
  readonly arch: string;
  readonly machine: string;
  readonly uefi: Uefi;
  /** The same, checking what it starts; its variables hold Microsoft's keys. */
  readonly secureUefi: Uefi | undefined;
  readonly tpm: 'tpm-crb' | 'tpm-tis';
}

export const BOARDS: Readonly<Record<Architecture, Board>> = {
  amd64: {
    program: 'qemu-system-x86_64',
    arch: 'x86_64',
    machine: 'q35',
    uefi: { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
    secureUefi: { code: '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.ms.fd' },
    tpm: 'tpm-crb',
  },
  arm64: {
    program: 'qemu-system-aarch64',
    arch: 'aarch64',
    machine: 'virt',
    uefi: {
      code: '/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd',
      variables: '/usr/share/AAVMF/AAVMF_VARS.fd',
    },
    secureUefi: undefined,
    tpm: 'tpm-tis',
  },
};

/** Undefined: the guest starts from the BIOS. */
export function uefiOf(
  board: Board,
  firmware: { readonly kind: 'bios' | 'uefi'; readonly secureBoot: boolean },
): Uefi | undefined {
  if (firmware.kind === 'bios') return undefined;
  return firmware.secureBoot ? board.secureUefi : board.uefi;
}
