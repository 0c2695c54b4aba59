import {
  type Digest,
  formatSize,
  type Machine,
  type NetworkDisk,
  type ShareWord,
  VirtainersError,
} from '@virtainers/core';
import type { Port } from '../guest/port.ts';
import { type Arguments, parseArguments } from './arguments.ts';
import { readDisks } from './disks.ts';
import { type FirmwareSettings, readFirmware } from './firmware.ts';
import { type NetworkSettings, readNetwork } from './network.ts';
import { type OsinfoTable, type OsVariant, resolveOsVariant } from './os-variant.ts';
import { Reader } from './reader.ts';
import { SETTINGS, settingNamed } from './settings.ts';
import { typos } from './typos.ts';
import * as value from './values.ts';

/** Everything the runtime was told, checked. Sizes as their names say. */
export interface Config {
  readonly ramMiB: number;
  readonly cpus: number;
  readonly vmName: string;
  readonly os: OsVariant;
  /** Bytes, a multiple of 512. */
  readonly diskSize: number | undefined;
  /** On the network, beside the machine's own. */
  readonly disks: readonly NetworkDisk[];
  readonly imageDir: string;
  /** Hash the disks in the image before they are used. */
  readonly verify: boolean;
  readonly cloudInitDisk: string | undefined;
  readonly password: string | undefined;
  readonly shares: readonly ShareWord[];
  readonly network: NetworkSettings;
  readonly firmware: FirmwareSettings;
  readonly accel: 'auto' | 'kvm' | 'tcg';
  readonly stopAction: 'shutdown' | 'save' | 'destroy';
  readonly stopTimeoutMs: number;
  readonly readyTimeoutMs: number;
  readonly debug: boolean;
  readonly qemuArgs: readonly string[];
  readonly reference: string | undefined;
  /** Of the image's layers, bottom first. */
  readonly diffIDs: readonly Digest[] | undefined;
  /** Lines for the log. */
  readonly warnings: readonly string[];
}

export interface ConfigInput {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The words after the image's name. */
  readonly args: readonly string[];
  readonly machine: Machine;
  readonly osinfo: OsinfoTable;
  /** The container's memory limit; undefined when there is none. */
  readonly memoryLimitBytes: number | undefined;
  /** Reads PASSWORD_FILE; what it throws becomes one of the problems. */
  readSecret(path: string): string;
}

const MIB = 1024 ** 2;
const VM_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const REFERENCE = /^[\x21-\x7e]{1,512}$/;

/**
 * What QEMU and the daemons need beside the guest's memory: libvirtd, virtlogd, dnsmasq and the supervisor have about
 * 120 MiB resident; QEMU has its own heap, page tables and device buffers, which grow with the guest's memory.
 */
export function memoryOverheadMiB(ramMiB: number): number {
  return 192 + Math.ceil(ramMiB * 0.05);
}

/** Throws one CONFIG_INVALID that lists every problem with its name, its value and what is allowed, or ARGUMENTS_BAD. */
export function parseConfig(input: ConfigInput): Config {
  const words = parseArguments(input.args);
  const reader = new Reader(input.env);
  const config = read(reader, input, words);
  if (reader.problems.length > 0) {
    throw new VirtainersError('CONFIG_INVALID', `reading the settings:\n${reader.problems.join('\n')}`, {
      hint: 'settings are environment variables of the container: docker run -e NAME=VALUE',
    });
  }
  return config;
}

function read(reader: Reader, input: ConfigInput, words: Arguments): Config {
  const { machine } = input;
  const ramMiB = readRam(reader, input);
  const ports = machine.ports.map((port): Port => ({ protocol: 'tcp', port }));
  return {
    ramMiB,
    cpus: reader.read('CPU', (text) => value.parseWhole(text, 1, 255), 1),
    vmName: reader.read('VM_NAME', (text) => (VM_NAME.test(text) ? text : undefined), 'vm'),
    os: readOs(reader, input),
    diskSize: reader.read('DISK_SIZE', value.parseDiskSize, undefined),
    disks: readDisks(reader),
    imageDir: reader.read('IMAGE_DIR', (text) => (text === '/' ? undefined : value.parsePath(text)), '/mounted'),
    verify: reader.oneOf('VERIFY', ['recorded', 'full'], 'recorded') === 'full',
    cloudInitDisk: reader.read(
      'CLOUD_INIT_DISK',
      (text) => (text.endsWith('/') ? undefined : value.parsePath(text)),
      undefined,
    ),
    password: readPassword(reader, input),
    shares: reader.read('SHARES', value.parseShares, []),
    network: readNetwork(reader, ports),
    firmware: readFirmware(reader, machine, ramMiB),
    accel: reader.oneOf('ACCEL', ['auto', 'kvm', 'tcg'], 'auto'),
    stopAction: reader.oneOf('STOP_ACTION', ['shutdown', 'save', 'destroy'], 'shutdown'),
    stopTimeoutMs: reader.read('STOP_TIMEOUT', value.parseDurationMs, 60_000),
    readyTimeoutMs: reader.read('READY_TIMEOUT', value.parseDurationMs, 600_000),
    debug: reader.read('DEBUG', value.parseYesNo, false),
    qemuArgs: 'qemuArgs' in words ? words.qemuArgs : [],
    reference: reader.read('VIRTAINERS_REFERENCE', (text) => (REFERENCE.test(text) ? text : undefined), undefined),
    diffIDs: reader.read('VIRTAINERS_LAYERS', value.parseDigests, undefined),
    warnings: [
      ...smallRam(ramMiB, machine),
      ...typos(
        Object.keys(input.env),
        SETTINGS.map(({ name }) => name),
      ),
    ],
  };
}

function readRam(reader: Reader, input: ConfigInput): number {
  const known = reader.problems.length;
  const ramMiB = reader.read('RAM', value.parseRamMiB, Math.max(1024, input.machine.minRamMiB ?? 0));
  const limit = input.memoryLimitBytes;
  const overhead = memoryOverheadMiB(ramMiB);
  if (limit === undefined || reader.problems.length > known || (ramMiB + overhead) * MIB <= limit) return ramMiB;
  const most = Math.floor((limit / MIB - 192) / 1.05);
  const remedy = most >= 64 ? `RAM=${most} would fit, or ` : '';
  reader.problem(
    'RAM',
    `${ramMiB} MiB for the guest and ${overhead} MiB for QEMU and the daemons are more than the container's memory limit of ${formatSize(limit)}; ${remedy}give the container --memory ${ramMiB + overhead}m`,
  );
  return ramMiB;
}

function smallRam(ramMiB: number, machine: Machine): string[] {
  if (machine.minRamMiB === undefined || ramMiB >= machine.minRamMiB) return [];
  return [`RAM is ${ramMiB} MiB; ${machine.name} asks for at least ${machine.minRamMiB} MiB`];
}

/** The image's own id is not the user's to mend, so that a table which does not know it is no error. */
function readOs(reader: Reader, { machine, osinfo }: ConfigInput): OsVariant {
  const own: OsVariant = { shortId: machine.osinfo, id: osinfo[machine.osinfo]?.id };
  const text = reader.text('OS_VARIANT');
  if (text === undefined) return own;
  const found = resolveOsVariant(text, osinfo);
  if (typeof found !== 'string') return found;
  reader.problem('OS_VARIANT', found);
  return own;
}

function readPassword(reader: Reader, input: ConfigInput): string | undefined {
  const path = reader.read('PASSWORD_FILE', value.parsePath, undefined);
  const given = reader.read('PASSWORD', (text) => (value.isPassword(text) ? text : undefined), undefined);
  if (path === undefined) return given;
  if (reader.text('PASSWORD') !== undefined) {
    reader.problem('PASSWORD_FILE', 'PASSWORD is set as well; set one of them');
    return undefined;
  }
  try {
    const text = input.readSecret(path).replace(/\r?\n$/, '');
    if (value.isPassword(text)) return text;
    reader.problem('PASSWORD_FILE', `what the file holds is not ${settingNamed('PASSWORD').allowed}`);
  } catch (error) {
    reader.problem('PASSWORD_FILE', `cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  return undefined;
}
