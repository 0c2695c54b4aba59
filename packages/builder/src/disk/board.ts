import type { Architecture } from '@virtainers/core';

/** What a disk of packages hangs on beside its packages: the machine that QEMU shows its guest. */
export interface Board {
  readonly firmware: 'bios' | 'uefi';
  /** The last console is /dev/console, where systemd and cloud-init write (kernel, admin-guide/serial-console.rst). */
  readonly consoles: readonly string[];
  readonly kernelArguments: readonly string[];
  /** Beside those that every machine needs. */
  readonly initramfsModules: readonly string[];
  /** Names in / that are links into /usr. */
  readonly libraryFolders: readonly string[];
  /** GRUB's commands for a console on the serial port; UEFI's own console is there already. */
  readonly grubSerial: boolean;
}

export const BOARDS: Readonly<Record<Architecture, Board>> = {
  amd64: {
    firmware: 'bios',
    consoles: ['console=tty0', 'console=ttyS0,115200'],
    // On a busy host an emulated timer can be late, which the kernel would take for broken hardware and panic (kernel-parameters.txt).
    kernelArguments: ['no_timer_check'],
    initramfsModules: ['crc32c_generic', 'crc32c_intel'],
    libraryFolders: ['lib', 'lib64'],
    grubSerial: true,
  },
  arm64: {
    firmware: 'uefi',
    consoles: ['console=tty0', 'console=ttyAMA0,115200'],
    kernelArguments: [],
    initramfsModules: ['crc32c_generic'],
    libraryFolders: ['lib'],
    grubSerial: false,
  },
};
