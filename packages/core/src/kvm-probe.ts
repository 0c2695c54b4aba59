import type { Architecture } from './machine.ts';

/** A guest that has not come to its end in this time never will. */
export const KVM_PROBE_LIMIT_MS = 2000;

/** The smallest guest of an architecture: it runs as a domain does, same machine, same CPU model, and ends QEMU at once. */
export interface KvmProbe {
  readonly program: string;
  /** For people: what ran. */
  readonly title: string;
  /** Of the file that `args` is given the path of. */
  readonly content: () => Buffer;
  readonly args: (path: string) => string[];
  /** What QEMU ends with, if and only if the code ran. */
  readonly exitCode: number;
}

const HEADLESS = ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'];

/** A port that nothing else has, and what is written to it. */
const DEBUG_PORT = 0x501;
const VALUE = 0x2a;

/** A disk of one sector has no cylinder, and SeaBIOS boots from none such: 16 heads of 63 sectors make one. */
const DISK_BYTES = 1 << 20;

/**
 * A /dev/kvm that opens, and even one that makes machines, proves nothing: nested ones are seen that never leave the
 * firmware. Each machine can only try what it is itself.
 */
export const KVM_PROBES: Readonly<Record<Architecture, KvmProbe>> = {
  amd64: {
    program: 'qemu-system-x86_64',
    title: 'a boot sector',
    /** mov dx, 0x501; mov al, 0x2a; out dx, al; hlt; jmp $-1. */
    content: () => {
      const disk = Buffer.alloc(DISK_BYTES);
      Buffer.from([0xba, DEBUG_PORT & 0xff, DEBUG_PORT >> 8, 0xb0, VALUE, 0xee, 0xf4, 0xeb, 0xfd]).copy(disk);
      disk.writeUInt16LE(0xaa55, 510);
      return disk;
    },
    args: (path) => [
      ...['-machine', 'q35,accel=kvm', '-cpu', 'host', '-m', '32', ...HEADLESS],
      ...['-device', `isa-debug-exit,iobase=0x${DEBUG_PORT.toString(16)},iosize=1`],
      // A comma ends an option unless it is doubled.
      ...['-drive', `file=${path.replaceAll(',', ',,')},format=raw,if=none,id=probe,readonly=on`],
      ...['-device', 'virtio-blk-pci,drive=probe,bootindex=0'],
    ],
    /** After a write to its isa-debug-exit port (QEMU, hw/misc/debugexit.c). */
    exitCode: (VALUE << 1) | 1,
  },
  arm64: {
    program: 'qemu-system-aarch64',
    title: 'a kernel of four instructions',
    /** movz w0, 8; movk w0, 0x8400, lsl 16; hvc 0; b . : PSCI's SYSTEM_OFF (Arm DEN0022, 5.9), which leaves with 0. */
    content: () => {
      const code = Buffer.alloc(16);
      [0x52800100, 0x72b08000, 0xd4000002, 0x14000000].forEach(
        (word, index) => void code.writeUInt32LE(word, index * 4),
      );
      return code;
    },
    args: (path) => [
      '-machine',
      'virt,accel=kvm,gic-version=max',
      '-cpu',
      'host',
      '-m',
      '32',
      ...HEADLESS,
      '-kernel',
      path,
    ],
    exitCode: 0,
  },
};
