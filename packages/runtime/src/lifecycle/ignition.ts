import { chown } from 'node:fs/promises';
import { writeFileAtomically } from '@virtainers/core';
import { planIgnition } from '../cloud-init/ignition.ts';
import type { SeedInputs } from '../cloud-init/inputs.ts';
import { randomPassword } from '../cloud-init/password.ts';
import type { OpenDisk } from '../disk/open-disk.ts';
import type { Deps } from './deps.ts';
import { tellPassword } from './guest-seed.ts';
import { guestHostname } from './hostname.ts';

/** Writes the config that Ignition reads at the first boot of a disk, and never again; only QEMU may read the file. */
export async function makeIgnition(
  { log, config, driver, hostname, machine }: Deps,
  disk: OpenDisk,
  inputs: SeedInputs,
  path: string,
): Promise<void> {
  const plan = planIgnition({
    ...inputs,
    password: config.password,
    rememberedPassword: disk.generatedPassword,
    hostname: guestHostname(hostname, config.vmName),
    user: machine.user,
    random: randomPassword,
  });
  for (const warning of plan.warnings) log.warn(warning);
  tellPassword(log, plan, disk, config.imageDir);
  if (plan.generatedPassword !== undefined) await disk.remember({ generatedPassword: plan.generatedPassword });
  await writeFileAtomically(path, plan.config, 0o600);
  if (driver.kind === 'system') await chown(path, driver.uid, driver.gid);
}
