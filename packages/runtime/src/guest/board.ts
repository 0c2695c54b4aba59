import type { Architecture } from '@virtainers/core';

/** The machine that QEMU shows guests of an architecture, in libvirt's words. */
export interface Board {
  /** QEMU's name, in /usr/bin and for libvirt. */
  readonly program: string;
  readonly arch: string;
  readonly machine: string;
  /** UEFI's code, and its variables as they are before the first start; undefined: the guest starts from the BIOS. */
  readonly firmware: { readonly code: string; readonly variables: string } | undefined;
}

export const BOARDS: Readonly<Record<Architecture, Board>> = {
  amd64: { program: 'qemu-system-x86_64', arch: 'x86_64', machine: 'q35', firmware: undefined },
  arm64: {
    program: 'qemu-system-aarch64',
    arch: 'aarch64',
    machine: 'virt',
    firmware: {
      code: '/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd',
      variables: '/usr/share/AAVMF/AAVMF_VARS.fd',
    },
  },
};
