/** A guest that cannot reach its boot sector in this time never will. */
export const KVM_PROBE_LIMIT_MS = 2000;

/** A port that nothing else has, and what is written to it. */
const DEBUG_PORT = 0x501;
const VALUE = 0x2a;

/** What QEMU ends with upon a write to its isa-debug-exit port (QEMU, hw/misc/debugexit.c). */
export const KVM_PROBE_EXIT_CODE = (VALUE << 1) | 1;

/** A disk of one sector has no cylinder, and SeaBIOS boots from none such: 16 heads of 63 sectors make one. */
const DISK_BYTES = 1 << 20;

/**
 * A disk whose boot sector does nothing but that write: mov dx, 0x501; mov al, 0x2a; out dx, al; hlt; jmp $-1. A /dev/kvm
 * that opens, and even one that makes machines, proves nothing: nested ones are seen that never leave the firmware.
 */
export function kvmProbeDisk(): Buffer {
  const disk = Buffer.alloc(DISK_BYTES);
  Buffer.from([0xba, DEBUG_PORT & 0xff, DEBUG_PORT >> 8, 0xb0, VALUE, 0xee, 0xf4, 0xeb, 0xfd]).copy(disk);
  disk.writeUInt16LE(0xaa55, 510);
  return disk;
}

/** QEMU's command line for that disk in the file `path`. It runs as a domain does: same machine, same CPU model. */
export function planKvmProbe(path: string): [file: string, ...args: string[]] {
  return [
    'qemu-system-x86_64',
    ...['-machine', 'q35,accel=kvm', '-cpu', 'host', '-m', '32'],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...['-device', `isa-debug-exit,iobase=0x${DEBUG_PORT.toString(16)},iosize=1`],
    // A comma ends an option unless it is doubled.
    ...['-drive', `file=${path.replaceAll(',', ',,')},format=raw,if=none,id=probe,readonly=on`],
    ...['-device', 'virtio-blk-pci,drive=probe,bootindex=0'],
  ];
}
