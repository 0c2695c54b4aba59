import { formatSize, type Log } from '@virtainers/core';
import type { AcceleratorChoice } from '../accelerator/choose.ts';
import type { FirmwareSettings } from '../config/firmware.ts';
import type { PlacedDisk } from '../guest/disk.ts';
import type { NetworkChoice } from '../network/choose.ts';
import type { NetworkPlan } from '../network/mode.ts';
import type { Deps } from './deps.ts';

/** The first lines of the log: what was chosen, why, and what would give more. */
export function reportMachine(log: Log, { machine, config, facts, driver }: Deps): void {
  const disk = machine.disk
    ? `disk of ${formatSize(config.diskSize ?? machine.disk.virtualSize)}`
    : 'the disk at /image';
  log.info(`${machine.name}: ${config.cpus} CPU, ${config.ramMiB} MiB, ${disk}`);
  const who = driver.kind === 'system' ? 'root, QEMU as 107:107' : `user ${facts.uid}:${facts.gid}`;
  log.info(`libvirt: ${driver.kind} driver (${who})`);
  const firmware = firmwareLine(config.firmware);
  if (firmware) log.info(firmware);
  for (const warning of config.warnings) log.warn(warning);
}

/** A plain BIOS goes without saying. */
function firmwareLine({ kind, secureBoot, tpm }: FirmwareSettings): string | undefined {
  if (kind === 'bios' && !tpm) return undefined;
  return `firmware: ${kind === 'uefi' ? 'UEFI' : 'BIOS'}${secureBoot ? ' with secure boot' : ''}${tpm ? ', a TPM 2.0' : ''}`;
}

export function reportFeatures(log: Log, features: ReadonlySet<string>): void {
  log.info(`features: ${[...features].join(', ') || 'none'}`);
}

export function reportAccelerator(log: Log, { kind, reason }: AcceleratorChoice): void {
  log.info(`accelerator: ${kind} (${reason})`);
}

export function reportNetwork(log: Log, choice: NetworkChoice, plan: NetworkPlan): void {
  log.info(`network: ${choice.mode} (${choice.reason})`);
  for (const loss of [...plan.losses, ...plan.nics.flatMap(({ losses }) => losses)]) log.warn(loss);
  for (const { link, mode, addresses, forwards } of plan.nics) {
    const open = forwards.filter(({ way }) => way !== 'inside').map(({ port, protocol }) => `${port}/${protocol}`);
    const where = addresses.join(', ') || (open.length > 0 ? "the container's address" : '');
    const nic = plan.nics.length > 1 ? ` (${link}, ${mode})` : '';
    const ports = open.length > 0 ? `, ports ${open.join(', ')}` : '';
    if (where) log.info(`the guest answers on ${where}${ports}${nic}`);
  }
}

export function reportDisks(log: Log, disks: readonly PlacedDisk[]): void {
  for (const { target, from, format, size, readonly, serial } of disks) {
    const facts = [format, ...(size === undefined ? [] : [formatSize(size)]), ...(readonly ? ['read only'] : [])];
    log.info(`disk ${target}: ${from} (${facts.join(', ')}); in the guest /dev/disk/by-id/virtio-${serial}`);
  }
}

export function reportData(log: Log, imageDir: string, persistent: boolean): void {
  if (persistent) log.info(`data: ${imageDir} is a volume; it outlives the container`);
  else
    log.warn(`data: ${imageDir} is no volume: what the guest writes dies with the container; add -v NAME:${imageDir}`);
}
