import { VirtainersError } from '@virtainers/core';

/** What the words after the image's name ask for. */
export type Arguments =
  | { readonly verb: 'run' | 'xml' | 'check'; readonly qemuArgs: readonly string[] }
  /** `args` go to the shell as they are: `bash -c 'virsh list'`. */
  | { readonly verb: 'shell'; readonly shell: 'bash' | 'sh'; readonly args: readonly string[] }
  | { readonly verb: 'connect' | 'copy' | 'snapshot'; readonly args: readonly string[] }
  | { readonly verb: 'status'; readonly follow: boolean }
  | { readonly verb: 'health' | 'help' | 'version' };

const VERBS = 'bash, sh, shell, xml, check, health, status, connect, copy, snapshot, --help, --version';

/** Options of QEMU that libvirt sets itself: a second one would win, or end QEMU. Each with what to use instead. */
const REFUSED: Readonly<Record<string, string>> = {
  m: 'set RAM',
  smp: 'set CPU',
  name: 'set VM_NAME',
  cpu: 'set ACCEL; the CPU model follows from it',
  accel: 'set ACCEL',
  'enable-kvm': 'set ACCEL=kvm',
  'no-kvm': 'set ACCEL=tcg',
  machine: 'the machine is fixed; the accelerator is set by ACCEL',
  M: 'the machine is fixed; the accelerator is set by ACCEL',
  drive: 'mount the disk at /image, its size is set by DISK_SIZE',
  hda: 'mount the disk at /image',
  hdb: 'mount the disk at /image',
  hdc: 'mount the disk at /image',
  hdd: 'mount the disk at /image',
  cdrom: 'mount a cloud-init ISO at /tmp/cloud_init.iso',
  net: 'set NETWORK_MODE and PORTS',
  netdev: 'set NETWORK_MODE and PORTS',
  nic: 'set NETWORK_MODE and PORTS',
  redir: 'set PORTS',
  serial: 'the serial console is on stdout, and in `virsh console`',
  nographic: 'the guest has no display already; its serial console is on stdout',
  bios: 'set FIRMWARE',
  pflash: 'set FIRMWARE',
  tpmdev: 'set TPM',
  uuid: 'the UUID is kept in IMAGE_DIR/local_image.json',
  daemonize: 'libvirt keeps QEMU in the background',
  pidfile: 'libvirt keeps one',
  S: 'libvirt starts the guest itself',
  incoming: 'libvirt starts the guest itself',
  loadvm: 'libvirt starts the guest itself',
  'no-shutdown': 'the container ends with the guest',
  'no-reboot': 'a reboot stays in the container',
  nodefaults: 'libvirt sets it already',
  'no-user-config': 'libvirt sets it already',
  sandbox: 'libvirt sets it already',
  runas: 'QEMU has no root to give up; use --user',
  chroot: 'the container is one',
  help: 'use --help, which is ours, or run a shell',
  version: 'use --version, which is ours, or run a shell',
};

/** Throws ARGUMENTS_BAD. No argument runs the VM. */
export function parseArguments(args: readonly string[]): Arguments {
  const [first, ...rest] = args;
  switch (first) {
    case 'xml':
    case 'check':
      return { verb: first, qemuArgs: parseQemuArgs(rest) };
    case 'bash':
    case 'shell':
      return { verb: 'shell', shell: 'bash', args: rest };
    case 'sh':
      return { verb: 'shell', shell: 'sh', args: rest };
    case 'connect':
    case 'snapshot':
      return { verb: first, args: rest };
    case 'copy':
      return { ...alone(first, rest), args: [] };
    case 'health':
      return alone(first, rest);
    case 'status':
      if (rest.length === 1 && rest[0] === '--follow') return { verb: 'status', follow: true };
      return { ...alone(first, rest), follow: false };
    case '--help':
    case '-h':
      return alone('help', rest);
    case '--version':
      return alone('version', rest);
    default:
      return { verb: 'run', qemuArgs: parseQemuArgs(args) };
  }
}

function alone<V extends string>(verb: V, rest: readonly string[]): { verb: V } {
  if (rest.length > 0) throw bad([`${rest[0]}: nothing may follow ${verb}`]);
  return { verb };
}

/** QEMU's options take one value or none (qemu-options.hx), so a word without a hyphen belongs to the option before it. */
function parseQemuArgs(words: readonly string[]): string[] {
  const problems: string[] = [];
  let valueAllowed = false;
  for (const word of words) {
    if (/^--?[A-Za-z]/.test(word)) {
      const instead = REFUSED[word.replace(/^--?/, '')];
      if (instead) problems.push(`${word}: ${instead}`);
      valueAllowed = true;
    } else if (valueAllowed) {
      valueAllowed = false;
    } else {
      problems.push(`${word}: neither a command nor an option of QEMU`);
    }
  }
  if (problems.length > 0) throw bad(problems);
  return [...words];
}

function bad(problems: readonly string[]): VirtainersError {
  return new VirtainersError(
    'ARGUMENTS_BAD',
    `reading the command line:\n${problems.map((p) => `  ${p}`).join('\n')}`,
    {
      hint: `without arguments the VM runs; otherwise one of ${VERBS}, or options for QEMU`,
    },
  );
}
