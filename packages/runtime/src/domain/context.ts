import { compileTemplate } from '@virtainers/core';
import type { NetworkPlace } from '../guest/disk.ts';
import type { Forward } from '../guest/port.ts';

/** Everything the domain template is filled with. Plain values; whoever owns the disk or the network makes them. */
export interface DomainContext {
  readonly name: string;
  readonly uuid: string;
  readonly title: string;
  readonly osId: string;
  /** Path of the QEMU that libvirt is to run, and the machine that it shows. */
  readonly emulator: string;
  readonly arch: string;
  readonly machine: string;
  readonly firmware?: DomainFirmware | undefined;
  /** libvirt's name of the device, and the folder in which the emulator keeps its state. */
  readonly tpm?: { readonly model: string; readonly state: string } | undefined;
  readonly accelerator: 'kvm' | 'tcg';
  readonly ramMiB: number;
  readonly cpus: number;
  readonly disks: readonly DomainDisk[];
  readonly filesystems?: readonly DomainFilesystem[] | undefined;
  /** A file that the guest finds in QEMU's fw_cfg, under /sys/firmware/qemu_fw_cfg/by_name in Linux. */
  readonly fwCfg?: { readonly name: string; readonly path: string } | undefined;
  readonly interfaces: readonly DomainInterface[];
  readonly consoleLog: string;
  readonly qemuArgs: readonly string[];
}

/** UEFI: its code, read only, and this machine's variables. */
export interface DomainFirmware {
  readonly code: string;
  readonly variables: string;
  readonly secure: boolean;
}

export interface DomainDisk {
  /** One of the three says what it lies on. */
  readonly file?: string | undefined;
  readonly device?: string | undefined;
  readonly network?: NetworkPlace | undefined;
  readonly format: string;
  /** vda, vdb, ...; sda of a CD-ROM. */
  readonly target: string;
  /** On a virtio-scsi controller. */
  readonly cdrom?: boolean | undefined;
  readonly readonly: boolean;
  /** /dev/disk/by-id/virtio-SERIAL in the guest. */
  readonly serial?: string | undefined;
  /** Zeroes are written as such, not as holes. */
  readonly keepZeroes?: boolean | undefined;
  /** Past the host's page cache. */
  readonly uncached?: boolean | undefined;
  /** From the overlay's own backing to the base, so that libvirt opens nothing on a header's word. */
  readonly backing: readonly { readonly path: string; readonly format: string }[];
}

/** A folder of the container: served by a program on a socket, which sees the guest's memory, or by QEMU itself. */
export type DomainFilesystem =
  | { readonly kind: 'virtiofs'; readonly tag: string; readonly socket: string }
  | { readonly kind: '9p'; readonly tag: string; readonly folder: string; readonly readonly: boolean };

export interface DomainInterface {
  readonly kind: 'tap' | 'user' | 'passt';
  readonly mac: string;
  /** Of a tap that exists already. */
  readonly device?: string | undefined;
  /** Of a user network: its /24. */
  readonly subnet?: string | undefined;
  /** Of a user network: its /64. */
  readonly subnet6?: string | undefined;
  /** Of passt: the container's interface that it shows the guest. */
  readonly source?: string | undefined;
  /** Of passt: opened for everybody where `direct`, else for programs in the container. */
  readonly forwards?: readonly Forward[] | undefined;
  readonly mtu?: number | undefined;
}

/** The domain's XML from templates/domain/domain.xml.hbs (given as text). */
export function renderDomain(template: string, context: DomainContext): string {
  const frontends = frontendsOf(context.interfaces);
  const filesystems = context.filesystems ?? [];
  return compileTemplate(template)({
    ...context,
    kvm: context.accelerator === 'kvm',
    pc: context.arch === 'x86_64',
    firmware: context.firmware ?? false,
    fwCfg: context.fwCfg ?? false,
    scsi: context.disks.some(({ cdrom }) => cdrom),
    disks: context.disks.map((disk) => ({
      ...disk,
      type: disk.network ? 'network' : disk.file === undefined ? 'block' : 'file',
      network: disk.network ? networkOf(disk.network) : false,
      file: disk.file ?? false,
      device: disk.device ?? false,
      cdrom: disk.cdrom ?? false,
      serial: disk.serial ?? false,
      holes: !disk.keepZeroes,
      uncached: disk.uncached ?? false,
      chain: renderChain(disk.backing),
    })),
    sharedMemory: filesystems.some(({ kind }) => kind === 'virtiofs'),
    filesystems: filesystems.map((filesystem) => ({ ...filesystem, virtiofs: filesystem.kind === 'virtiofs' })),
    bios: !context.firmware,
    secure: context.firmware?.secure ?? false,
    tpm: context.tpm ?? false,
    interfaces: context.interfaces.map((nic) => ({
      ...nic,
      tap: nic.kind === 'tap',
      passt: nic.kind === 'passt',
      mtu: (nic.kind === 'tap' && nic.mtu) || false,
      subnet: nic.subnet ?? false,
      subnet6: nic.subnet6 ?? false,
      source: nic.source ?? false,
      forwards: (nic.forwards ?? []).map((forward) => ({ ...forward, direct: forward.way === 'direct' })),
    })),
    passthrough: context.qemuArgs.length > 0,
    frontends,
    namespaced: context.qemuArgs.length > 0 || frontends.length > 0,
  });
}

/** What is not there is `false`, for a strict template; the secret itself stays here. */
function networkOf({ protocol, name, host, config, secret }: NetworkPlace) {
  const { type, user, usage } = secret ?? {};
  const login = secret ? { type, user, usage } : false;
  return { protocol, name, host: host ?? false, config: config ?? false, login };
}

/** libvirt sets the MTU of a guest's NIC only where it can set that of a tap too; the others get it as QEMU's own property. */
function frontendsOf(interfaces: readonly DomainInterface[]): { alias: string; mtu: number }[] {
  return interfaces.flatMap(({ kind, mtu }, index) => (kind === 'tap' || !mtu ? [] : [{ alias: `net${index}`, mtu }]));
}

/** Nested backingStore elements, which a template without recursion cannot write; the last one is empty: the chain ends. */
function renderChain(backing: DomainDisk['backing']): string {
  const element = compileTemplate(
    "<backingStore type='file'><format type='{{format}}'/><source file='{{path}}'/>{{{inner}}}</backingStore>",
  );
  return backing.reduceRight((inner, { path, format }) => element({ path, format, inner }), '<backingStore/>');
}
