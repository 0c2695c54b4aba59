import { join } from 'node:path';
import type { Log } from '@virtainers/core';
import type { DomainFilesystem } from '../domain/context.ts';
import { type GuestMount, mountOptions } from '../guest/mount.ts';
import type { StatusFile } from '../readiness/status.ts';
import { planShares, type Share } from '../share/plan.ts';
import { type ShareServer, startVirtiofsd } from '../share/virtiofsd.ts';
import type { Deps } from './deps.ts';

/** The folders that the guest gets, and how all of them reach it. */
export interface GuestShares {
  readonly driver: GuestMount['driver'];
  readonly shares: readonly Share[];
}

/** virtiofs where the image has its program, else what QEMU can do itself. Throws CONFIG_INVALID. */
export function planGuestShares({ config, sharedEntries, features }: SharesFrom): GuestShares {
  return { driver: features.has('share') ? 'virtiofs' : '9p', shares: planShares(config.shares, sharedEntries) };
}

type SharesFrom = Pick<Deps, 'sharedEntries' | 'features'> & { readonly config: Pick<Deps['config'], 'shares'> };

/** Whose images' kernels have no 9p: Debian's cloud kernel, Enterprise Linux in all its forms. By osinfo's short ids. */
const WITHOUT_9P = /^(debian|rhel|centos|almalinux|rocky|ol|eurolinux)/;

/** Why the machine cannot do without the feature `share`; false where it can, as far as its operating system's name tells. */
export function needsShareFeature({ shares }: GuestShares, osinfo: string): string | false {
  return shares.length > 0 && WITHOUT_9P.test(osinfo) && 'a shared folder';
}

/** For whoever knows the guest's kernel better. */
export const HAS_9P = 'where another kernel of the guest has 9p (in Debian: linux-image-amd64), OS_VARIANT=linux2022';

/**
 * Why this machine's memory cannot be saved and resumed; undefined: no share stands in the way. What a program outside
 * QEMU knows of the guest's open files is not in QEMU's state, and 9p blocks saving while it is mounted (QEMU, 9pfs).
 */
export function whyNotSaved({ shares }: { readonly shares: readonly Pick<Share, 'guest'>[] }): string | undefined {
  if (shares.length === 0) return undefined;
  return `a machine with a shared folder (${shares.map(({ guest }) => guest).join(', ')}) cannot be saved`;
}

/** What the guest's seed says. */
export function guestMounts({ driver, shares }: GuestShares): GuestMount[] {
  return shares.map(({ name, guest, readonly }) => ({ tag: name, driver, folder: guest, readonly }));
}

/** As the domain has them. */
export function domainFilesystems(deps: Pick<Deps, 'driver'>, { driver, shares }: GuestShares): DomainFilesystem[] {
  return shares.map(({ name, folder, readonly }) =>
    driver === 'virtiofs'
      ? { kind: driver, tag: name, socket: socketOf(deps, name) }
      : { kind: driver, tag: name, folder, readonly },
  );
}

function socketOf({ driver }: Pick<Deps, 'driver'>, name: string): string {
  return join(driver.runFolder, `share-${name}.sock`);
}

/** Starts whatever QEMU has to find when it starts. A folder that is lost later is told. */
export async function serveShares(
  deps: Deps,
  { driver, shares }: GuestShares,
  status: Pick<StatusFile, 'trouble'>,
): Promise<{ stop(): Promise<void> }> {
  if (driver !== 'virtiofs') return { stop: async () => undefined };
  const { spawn, log, facts } = deps;
  const rights = { ...facts, asRoot: facts.uid === 0 };
  const serve = (share: Share) => {
    const onLost = (why: string) => {
      const lost = `the guest has lost ${share.guest} until the container is started again: ${why}`;
      log.warn(lost);
      void status.trouble(`share ${share.name}`, lost);
    };
    return startVirtiofsd(spawn, log, share, socketOf(deps, share.name), rights, onLost);
  };
  const results = await Promise.allSettled(shares.map(serve));
  const servers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const stop = () => stopAll(servers);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure) {
    await stop();
    throw failure.reason;
  }
  return { stop };
}

async function stopAll(servers: readonly ShareServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}

/** As status.json tells it; undefined: none. */
export function sharesStatus({ driver, shares }: GuestShares) {
  if (shares.length === 0) return undefined;
  return shares.map(({ name, guest, readonly }) => ({ name, guest, readonly, driver }));
}

export function reportShares(log: Log, { driver, shares }: GuestShares): void {
  for (const { folder, guest, readonly } of shares) {
    log.info(`share: ${folder} is ${guest} in the guest (${driver}${readonly ? ', read-only' : ''})`);
  }
  if (shares.length === 0 || driver === 'virtiofs') return;
  log.warn(
    'shares go by 9p, because the image was baked without the feature share: the guest needs 9p in its kernel, and may do there what QEMU (107:107) may',
  );
}

/** For a guest that our seed does not reach. */
export function tellMounts(log: Log, mounts: readonly GuestMount[], why: string): void {
  for (const mount of mounts) {
    const words = ['mount', '-t', mount.driver, '-o', mountOptions(mount), mount.tag, mount.folder];
    log.warn(`${why}: nothing mounts ${mount.folder} there; in the guest: ${words.join(' ')}`);
  }
}
