import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dataPaths, type Machine } from '@virtainers/core';
import { type DomainDisk, renderDomain } from '../domain/context.ts';
import { BOARDS, uefiOf } from '../guest/board.ts';
import type { PlacedDisk } from '../guest/disk.ts';
import type { NetworkPlan } from '../network/mode.ts';
import type { Deps } from './deps.ts';
import type { GuestSeed } from './guest-seed.ts';
import { domainFilesystems, type GuestShares } from './shares.ts';

/** Made by other modules, put together here. */
export interface DomainParts {
  readonly uuid: string;
  readonly accelerator: 'kvm' | 'tcg';
  readonly overlay: string;
  /** From the top. */
  readonly backing: readonly { readonly path: string; readonly format: string }[];
  readonly seed: GuestSeed;
  /** Beside the machine's own. */
  readonly disks: readonly PlacedDisk[];
  readonly network: NetworkPlan;
  readonly shares: GuestShares;
}

export async function domainXml(deps: Deps, parts: DomainParts): Promise<string> {
  const { config, machine, driver, templates } = deps;
  const board = BOARDS[machine.arch];
  const { secureBoot, tpm } = config.firmware;
  const uefi = uefiOf(board, config.firmware);
  const paths = dataPaths(config.imageDir);
  const template = await readFile(join(templates, 'domain/domain.xml.hbs'), 'utf8');
  const disks: DomainDisk[] = [
    {
      file: parts.overlay,
      format: 'qcow2',
      target: 'vda',
      readonly: false,
      backing: parts.backing,
    },
    ...(parts.seed.kind === 'disk' ? [seedDisk(parts.seed.path, machine)] : []),
    ...parts.disks.map(extraDisk),
  ];
  return renderDomain(template, {
    name: config.vmName,
    uuid: parts.uuid,
    title: machine.name,
    osId: config.os.id ?? config.os.shortId,
    emulator: join(driver.emulators, board.program),
    arch: board.arch,
    machine: board.machine,
    firmware: uefi && {
      code: uefi.code,
      variables: secureBoot ? paths.secureVariables : paths.variables,
      secure: secureBoot,
    },
    tpm: tpm ? { model: board.tpm, state: paths.tpm } : undefined,
    accelerator: parts.accelerator,
    ramMiB: config.ramMiB,
    cpus: config.cpus,
    disks,
    filesystems: domainFilesystems(deps, parts.shares),
    fwCfg: parts.seed.kind === 'fwcfg' ? parts.seed : undefined,
    interfaces: parts.network.nics.flatMap((nic) => nic.interface ?? []),
    consoleLog: driver.consoleLog,
    qemuArgs: config.qemuArgs,
  });
}

/** virtio, because cloud kernels come without drivers for SATA and IDE; FreeBSD's nuageinit looks at CD-ROMs alone. */
function seedDisk(path: string, { seed }: Pick<Machine, 'seed'>): DomainDisk {
  const disk = { file: path, format: 'raw', readonly: true, backing: [] };
  return seed === 'cdrom' ? { ...disk, target: 'sda', cdrom: true } : { ...disk, target: 'vdb' };
}

/**
 * What a guest discards is given back. Zeroes that it writes become holes in files; on devices that search would cost more than
 * it gives. A device is not cached twice, in the guest and here.
 */
function extraDisk({ place, format, target, readonly, serial }: PlacedDisk): DomainDisk {
  const disk = { format, target, readonly, serial, backing: [] };
  switch (place.kind) {
    case 'file':
      return { ...disk, file: place.path };
    case 'block':
      return { ...disk, device: place.path, keepZeroes: true, uncached: true };
    case 'network':
      return { ...disk, network: place, keepZeroes: true };
  }
}
