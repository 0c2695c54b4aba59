import { join } from 'node:path';
import type { Log } from '@virtainers/core';
import type { OpenDisk } from '../disk/open-disk.ts';
import type { Deps } from './deps.ts';

/** What the guest is set up from: a disk with cloud-init's seed, or a file in QEMU's fw_cfg that Ignition reads. */
export type GuestSeed =
  | { readonly kind: 'disk'; readonly path: string }
  | { readonly kind: 'fwcfg'; readonly name: string; readonly path: string };

/** Ignition's config under its name in fw_cfg; undefined for a guest with cloud-init. */
export function ignitionSeed({ machine, driver }: Pick<Deps, 'machine' | 'driver'>) {
  if (machine.ignition === undefined) return undefined;
  return { kind: 'fwcfg', name: machine.ignition, path: join(driver.runFolder, 'ignition.json') } as const;
}

/** The random password that was made for want of anything else, once; afterwards where it is kept. */
export function tellPassword(
  log: Log,
  { password, generatedPassword }: { password: string | undefined; generatedPassword: string | undefined },
  disk: Pick<OpenDisk, 'generatedPassword'>,
  imageDir: string,
): void {
  if (generatedPassword !== undefined) {
    log.info(`no key, user-data or password was given: log in with the one-time password ${generatedPassword}`);
  } else if (password !== undefined && password === disk.generatedPassword) {
    log.info(`the password is the one that the first start of this data folder made; it is kept in ${imageDir}`);
  }
}
