import { makeLog } from '@virtainers/core';
import { chooseAccelerator } from '../accelerator/choose.ts';
import { isPersistent } from '../container/mountinfo.ts';
import type { Deps } from '../lifecycle/deps.ts';
import { extraDisks } from '../lifecycle/disks.ts';
import { domainXml } from '../lifecycle/domain.ts';
import { ignitionSeed } from '../lifecycle/guest-seed.ts';
import { planGuestNetwork } from '../lifecycle/network.ts';
import { requireContainer, requireFeatures } from '../lifecycle/preflight.ts';
import {
  reportAccelerator,
  reportData,
  reportDisks,
  reportFeatures,
  reportMachine,
  reportNetwork,
} from '../lifecycle/report.ts';
import { planGuestShares, reportShares } from '../lifecycle/shares.ts';
import { readSnapshot } from '../network/snapshot.ts';

type Out = (text: string) => void;

/** Shown in place of what only a start makes: the UUID and the MAC are the data folder's. */
const SAMPLE = { uuid: '00000000-0000-4000-8000-000000000000', mac: '52:54:00:00:00:00' };

/** The domain's XML as it would be now; nothing is started or written. KVM is not tried, so `auto` shows TCG. */
export async function printXml(deps: Deps, out: Out): Promise<number> {
  const snapshot = await readSnapshot(deps.exec, deps.hostname);
  const { plan } = await planGuestNetwork(deps, snapshot, () => SAMPLE.mac, 'asking');
  const xml = await domainXml(deps, {
    uuid: SAMPLE.uuid,
    accelerator: deps.config.accel === 'kvm' ? 'kvm' : 'tcg',
    overlay: `${deps.config.imageDir}/local_image.qcow2`,
    backing: [],
    seed: ignitionSeed(deps) ?? { kind: 'disk', path: deps.config.cloudInitDisk ?? '/cloud_init.iso' },
    disks: await extraDisks(deps),
    network: plan,
    shares: planGuestShares(deps),
  });
  out(xml.trimEnd());
  return 0;
}

/** What this container allows and what is missing, in the words of the first lines of a start. */
export async function checkContainer(deps: Deps, out: Out): Promise<number> {
  const log = makeLog(out);
  reportMachine(log, deps);
  reportFeatures(log, deps.features);
  requireContainer(deps.facts);
  const shares = planGuestShares(deps);
  requireFeatures(deps, shares);
  reportShares(log, shares);
  const snapshot = await readSnapshot(deps.exec, deps.hostname);
  const { choice, plan } = await planGuestNetwork(deps, snapshot, () => SAMPLE.mac, 'asking');
  reportNetwork(log, choice, plan);
  const architectures = { host: deps.facts.arch, guest: deps.machine.arch };
  if (deps.facts.kvm && architectures.host === architectures.guest)
    log.info('accelerator: /dev/kvm is there; a start tries whether code runs in it');
  else reportAccelerator(log, chooseAccelerator(deps.config.accel, architectures, undefined, undefined));
  reportData(log, deps.config.imageDir, isPersistent(deps.facts.mountinfo, deps.config.imageDir));
  reportDisks(log, await extraDisks(deps));
  return 0;
}
