import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VirtainersError } from '@virtainers/core';
import { settleAccelerator } from '../accelerator/accelerator.ts';
import { type Daemons, startDaemons } from '../daemon/daemons.ts';
import type { Virsh } from '../domain/virsh.ts';
import { BOARDS } from '../guest/board.ts';
import { applyNetwork, clearNetwork } from '../network/apply.ts';
import { readSnapshot } from '../network/snapshot.ts';
import type { StatusFile } from '../readiness/status.ts';
import { openGuestDisk } from './base.ts';
import type { Deps } from './deps.ts';
import { disksStatus, handSecrets, openExtraDisks } from './disks.ts';
import { domainXml } from './domain.ts';
import { guestHostname } from './hostname.ts';
import { givenBack, guestNetwork, networkStatus, planGuestNetwork } from './network.ts';
import { reportAccelerator, reportData, reportDisks, reportNetwork } from './report.ts';
import { makeSeed } from './seed.ts';
import { type GuestShares, guestMounts, reportShares, serveShares, sharesStatus } from './shares.ts';
import type { Undo } from './undo.ts';

/** All that a domain is started from. */
export type Parts = NonNullable<Awaited<ReturnType<typeof prepare>>>;

/**
 * Everything before the domain: what does not wait on one another runs side by side. `onDaemons`: libvirt answers.
 * Undefined: a stop came while disks were looked at, which may take minutes.
 */
export async function prepare(
  deps: Deps,
  shares: GuestShares,
  status: StatusFile,
  virsh: Virsh,
  undo: Undo,
  onDaemons: (daemons: Daemons) => void,
) {
  const { exec, spawn, log, config, facts, driver, machine } = deps;
  const emulators = Object.values(BOARDS).map(({ program }) => program);
  const [daemonsResult, acceleratorResult, guestResult] = await Promise.allSettled([
    startDaemons(spawn, driver, emulators, log).then((daemons) => {
      undo('the daemons', () => daemons.stop());
      onDaemons(daemons);
      return daemons;
    }),
    settleAccelerator(exec, {
      asked: config.accel,
      device: facts.kvm,
      uid: driver.uid,
      gid: driver.gid,
      asRoot: facts.uid === 0,
      probeFolder: driver.runFolder,
      memory: '/var/lib/virtainers/kvm-probe.json',
      host: facts.arch,
      guest: machine.arch,
    }),
    prepareGuest(deps, shares, status, undo),
  ]);
  // All have settled, so that whatever started is known to `undo` before the first failure is told.
  const guest = unwrap(guestResult);
  if (guest === undefined) return undefined;
  const { disk, disks, plan, seed, failed } = guest;
  const daemons = unwrap(daemonsResult);
  const accelerator = unwrap(acceleratorResult);
  reportAccelerator(log, accelerator);
  await status.update({ accelerator });
  await handSecrets(deps, virsh, disks);
  const xml = await domainXml(deps, {
    uuid: disk.uuid,
    accelerator: accelerator.kind,
    overlay: disk.overlay,
    backing: disk.backing,
    seed,
    disks,
    network: plan,
    shares,
  });
  const lost = disk.lockLost.then(() => new VirtainersError('DATA_IN_USE', `the lock on ${config.imageDir} was lost`));
  const domainFile = join(driver.runFolder, 'domain.xml');
  await writeFile(domainFile, xml);
  return {
    ...{ domainFile, xml, disk, disks, shares, accelerator: accelerator.kind, network: plan },
    failed: Promise.race([daemons.failed, lost, failed]),
  };
}

/** Undefined when a stop was asked; the work is left to itself, and what it begins is undone with the rest. */
function unlessStopped<T>({ stopAsked }: Deps, work: Promise<T>): Promise<T | undefined> {
  return Promise.race([work, stopAsked.then(() => undefined)]);
}

/** What the guest gets: its disk, then its seed and its network, which carry what the disk's folder remembers. */
async function prepareGuest(deps: Deps, shares: GuestShares, status: StatusFile, undo: Undo) {
  const { exec, spawn, log, config } = deps;
  const looking = Promise.allSettled([
    readSnapshot(exec, guestHostname(deps.hostname, config.vmName)),
    openGuestDisk(deps).then((disk) => {
      undo('the data folder', () => disk.release(), 'last');
      return disk;
    }),
    openExtraDisks(deps).then(({ disks, release }) => {
      undo('the disks', release, 'last');
      return disks;
    }),
  ]);
  const looked = await unlessStopped(deps, looking);
  if (looked === undefined) return undefined;
  const [snapshotResult, diskResult, disksResult] = looked;
  const disk = unwrap(diskResult);
  const disks = unwrap(disksResult);
  const snapshot = await givenBack(deps, unwrap(snapshotResult));
  for (const warning of disk.warnings) log.warn(warning);
  reportData(log, config.imageDir, disk.persistent);
  reportDisks(log, disks);
  if (disks.length > 0) await status.update({ disks: disksStatus(disks) });
  const { choice, plan } = await planGuestNetwork(deps, snapshot, disk.macAt, 'starting');
  reportNetwork(log, choice, plan);
  await status.update({ network: networkStatus(choice, plan) });
  reportShares(log, shares);
  const shared = sharesStatus(shares);
  if (shared) await status.update({ shares: shared });
  const [seedResult, sharesResult, networkResult] = await Promise.allSettled([
    makeSeed(deps, disk, guestNetwork(plan), guestMounts(shares)),
    serveShares(deps, shares, status).then((servers) => undo('the shares', () => servers.stop())),
    clearNetwork(exec, snapshot, plan)
      .then(() => applyNetwork(exec, spawn, plan, log))
      .then((applied) => {
        undo('the network', () => applied.undo());
        return applied;
      }),
  ]);
  const { failed } = unwrap(networkResult);
  unwrap(sharesResult);
  return { disk, disks, plan, seed: unwrap(seedResult), failed };
}

function unwrap<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}
