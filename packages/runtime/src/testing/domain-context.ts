import type { DomainContext } from '../domain/context.ts';

/** A machine like any other: an overlay on its base and a seed, one tap, no KVM. */
export const domainContext: DomainContext = {
  name: 'vm',
  uuid: '6a3f6c0e-5a52-4bb4-9f5c-7d3a6f9b1a11',
  title: 'debian:13-packages',
  osId: 'http://debian.org/debian/13',
  emulator: '/run/virtainers/bin/qemu-system-x86_64',
  arch: 'x86_64',
  machine: 'q35',
  accelerator: 'tcg',
  ramMiB: 1024,
  cpus: 2,
  disks: [
    {
      file: '/mounted/local_image.qcow2',
      format: 'qcow2',
      target: 'vda',
      readonly: false,
      backing: [{ path: '/disk/disk.qcow2', format: 'qcow2' }],
    },
    { file: '/cloud_init.iso', format: 'raw', target: 'vdb', readonly: true, backing: [] },
  ],
  interfaces: [{ kind: 'tap', mac: '52:54:00:00:00:01', device: 'vm0', mtu: 1400 }],
  consoleLog: '/var/log/libvirt/qemu/console/console.log',
  qemuArgs: [],
};

/** The same for a guest of 64-bit ARM, which UEFI starts. */
export const armContext: DomainContext = {
  ...domainContext,
  emulator: '/run/virtainers/bin/qemu-system-aarch64',
  arch: 'aarch64',
  machine: 'virt',
  firmware: {
    code: '/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd',
    variables: '/mounted/local_variables.fd',
    secure: false,
  },
};

/** The same, with an overlay that stands alone. */
export const standingAlone: DomainContext = {
  ...domainContext,
  disks: domainContext.disks.map((disk) => ({ ...disk, backing: [] })),
};

/** UEFI, which checks what it starts, and a TPM. */
export const secureContext: DomainContext = {
  ...domainContext,
  firmware: {
    code: '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd',
    variables: '/mounted/local_secure_variables.fd',
    secure: true,
  },
  tpm: { model: 'tpm-crb', state: '/mounted/local_tpm' },
};
