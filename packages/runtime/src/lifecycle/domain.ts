import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { IN_IMAGE } from '@virtainers/core';
import { type DomainDisk, renderDomain } from '../domain/context.ts';
import type { NetworkPlan } from '../network/mode.ts';
import type { Deps } from './deps.ts';

/** Made by other modules, put together here. */
export interface DomainParts {
  readonly uuid: string;
  readonly accelerator: 'kvm' | 'tcg';
  readonly overlay: string;
  /** From the top. */
  readonly backing: readonly { readonly path: string; readonly format: string }[];
  readonly seed: string;
  readonly network: NetworkPlan;
}

export async function domainXml({ config, machine, driver, templates }: Deps, parts: DomainParts): Promise<string> {
  const template = await readFile(join(templates, 'domain/domain.xml.hbs'), 'utf8');
  const disks: DomainDisk[] = [
    {
      path: parts.overlay,
      format: 'qcow2',
      target: 'vda',
      readonly: false,
      backing: parts.backing,
    },
    // virtio, because cloud kernels come without drivers for SATA and IDE.
    { path: parts.seed, format: 'raw', target: 'vdb', readonly: true, backing: [] },
  ];
  return renderDomain(template, {
    name: config.vmName,
    uuid: parts.uuid,
    title: machine.name,
    osId: config.os.id ?? config.os.shortId,
    emulator: `${IN_IMAGE.bin}/qemu-system-x86_64`,
    accelerator: parts.accelerator,
    ramMiB: config.ramMiB,
    cpus: config.cpus,
    disks,
    interfaces: parts.network.nics.flatMap((nic) => nic.interface ?? []),
    consoleLog: driver.consoleLog,
    qemuArgs: config.qemuArgs,
  });
}
