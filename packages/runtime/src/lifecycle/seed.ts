import { constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAccessible } from '@virtainers/core';
import { fileReaders, INPUT_PATHS, readInputs, type SeedInputs } from '../cloud-init/inputs.ts';
import { randomPassword } from '../cloud-init/password.ts';
import { planSeed } from '../cloud-init/seed.ts';
import { seedPath, writeSeed } from '../cloud-init/write-seed.ts';
import type { OpenDisk } from '../disk/open-disk.ts';
import type { GuestMount } from '../guest/mount.ts';
import type { GuestNic } from '../guest/nic.ts';
import type { Deps } from './deps.ts';
import { type GuestSeed, ignitionSeed, tellPassword } from './guest-seed.ts';
import { guestHostname } from './hostname.ts';
import { makeIgnition } from './ignition.ts';
import { tellMounts } from './shares.ts';

export const READY_PORT = 'io.virtainers.ready.0';

/** Reads the person's inputs, writes the seed and remembers what a later start must know. */
export async function makeSeed(
  deps: Deps,
  disk: OpenDisk,
  network: readonly GuestNic[] | undefined,
  mounts: readonly GuestMount[],
): Promise<GuestSeed> {
  const inputs = await readInputs(INPUT_PATHS, fileReaders);
  const ignition = ignitionSeed(deps);
  if (!ignition) return { kind: 'disk', path: await makeCloudInit(deps, disk, inputs, network, mounts) };
  tellMounts(deps.log, mounts, 'this guest has Ignition and no cloud-init');
  await makeIgnition(deps, disk, inputs, ignition.path);
  return ignition;
}

/** The ISO's path. */
async function makeCloudInit(
  { exec, log, config, driver, hostname, templates }: Deps,
  disk: OpenDisk,
  inputs: SeedInputs,
  network: readonly GuestNic[] | undefined,
  mounts: readonly GuestMount[],
): Promise<string> {
  const text = (name: string) => readFile(join(templates, 'cloud-init', name), 'utf8');
  const plan = planSeed({
    ...inputs,
    password: config.password,
    rememberedPassword: disk.generatedPassword,
    hostname: guestHostname(hostname, config.vmName),
    volumeId: disk.volumeId,
    readyPort: READY_PORT,
    network,
    mounts,
    random: randomPassword,
    templates: {
      userData: await text('user-data.hbs'),
      metaData: await text('meta-data.hbs'),
      vendorData: await text('vendor-data.hbs'),
      networkConfig: await text('network-config.hbs'),
    },
  });
  for (const warning of plan.warnings) log.warn(warning);
  if (plan.kind === 'iso') {
    tellMounts(log, mounts, 'the seed is your own ISO');
    return plan.isoPath;
  }
  tellPassword(log, plan, disk, config.imageDir);
  await disk.remember({
    instanceId: plan.instanceId,
    ...(plan.generatedPassword === undefined ? {} : { generatedPassword: plan.generatedPassword }),
  });
  const path = await seedPath(config.cloudInitDisk, (folder) => isAccessible(folder, constants.W_OK));
  await writeSeed(exec, plan, path, driver.kind === 'system' ? { uid: driver.uid, gid: driver.gid } : undefined);
  return path;
}
