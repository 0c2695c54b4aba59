import { readFile, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { IN_IMAGE, type Status, VirtainersError } from '@virtainers/core';
import { settleAccelerator } from '../accelerator/accelerator.ts';
import { followConsole } from '../console/follow.ts';
import { removeLog } from '../console/rotated-files.ts';
import { readLife } from '../container/life.ts';
import { startDaemons } from '../daemon/daemons.ts';
import { parseDomainEvent, type StopReason } from '../domain/events.ts';
import { makeVirsh, type Virsh } from '../domain/virsh.ts';
import { BOARDS } from '../guest/board.ts';
import { applyNetwork, clearNetwork } from '../network/apply.ts';
import type { NetworkPlan } from '../network/mode.ts';
import { startRelays } from '../network/relay.ts';
import { readSnapshot } from '../network/snapshot.ts';
import { hostForwardCommand } from '../network/user.ts';
import { makeStatusFile, type StatusFile } from '../readiness/status.ts';
import { type GuestWatch, watchGuest } from '../readiness/watch-guest.ts';
import { openGuestDisk } from './base.ts';
import type { Deps } from './deps.ts';
import { disksStatus, handSecrets, openExtraDisks } from './disks.ts';
import { domainXml } from './domain.ts';
import { guestHostname } from './hostname.ts';
import { firstDoor, forwardsOf, givenBack, guestNetwork, networkStatus, planGuestNetwork } from './network.ts';
import { requireContainer, requireFeatures } from './preflight.ts';
import { reportAccelerator, reportData, reportDisks, reportMachine, reportNetwork } from './report.ts';
import { type Room, watchRoom } from './room.ts';
import { makeSeed, READY_PORT } from './seed.ts';
import { type GuestShares, guestMounts, planGuestShares, reportShares, serveShares, sharesStatus } from './shares.ts';
import { startDomain } from './start-domain.ts';
import { type Ending, endingOf, stopGuest } from './stop.ts';

/** Undone in reverse, each once, whatever happens; what is `last` after everything else, whenever it began. */
type Undo = (name: string, step: () => Promise<unknown> | unknown, order?: 'last') => void;

/** One life of the machine, from nothing to its exit code. */
export async function runMachine(deps: Deps): Promise<number> {
  const { config, machine, driver, log, clock, statusPath } = deps;
  const status = makeStatusFile(
    statusPath,
    { life: await readLife(), vmName: config.vmName, driver: driver.kind, user: machine.user },
    () => new Date(),
    clock,
  );
  const undos: { name: string; step: () => Promise<unknown> | unknown }[] = [];
  const undo: Undo = (name, step, order) =>
    void (order === 'last' ? undos.unshift : undos.push).call(undos, { name, step });
  let ending: Ending;
  try {
    requireContainer(deps.facts);
    const shares = planGuestShares(deps);
    requireFeatures(deps, shares);
    await status.update({});
    ending = await live(deps, shares, status, undo);
  } catch (error) {
    const known = error instanceof VirtainersError ? error : undefined;
    await status
      .update({ state: 'failed', message: known?.message ?? String(error), exitCode: known?.exitCode ?? 1 })
      .catch(() => undefined);
    throw error;
  } finally {
    for (const { name, step } of undos.reverse()) {
      await Promise.resolve(step()).catch((error: unknown) => log.warn(`ending ${name}: ${String(error)}`));
    }
  }
  await status.update({ state: ending.state, message: ending.message, exitCode: ending.exitCode });
  log.info(`${ending.message} (exit code ${ending.exitCode})`);
  return ending.exitCode;
}

async function live(deps: Deps, shares: GuestShares, status: StatusFile, undo: Undo): Promise<Ending> {
  const { exec, spawn, log, config, driver, stopAsked } = deps;
  const stop = { asked: false };
  void stopAsked.then(() => {
    stop.asked = true;
  });
  reportMachine(log, deps);
  const virsh = makeVirsh(exec, spawn, { uri: driver.uri, domain: config.vmName, env: driver.env });
  const parts = await prepare(deps, shares, status, virsh, undo);
  if (stop.asked) return { exitCode: 0, state: 'stopped', message: 'stopped before the guest was started' };
  const room = watchRoom({ status, log, free: freeBytes, resume: virsh.resume });
  undo('the wait for room', () => room.stop());
  const domain = followEvents(virsh, config.vmName, room, undo);
  await status.update({ state: 'starting' });
  let watch: GuestWatch | undefined;
  await removeLog(driver.consoleLog);
  const following = followConsole({
    path: driver.consoleLog,
    write: async (bytes) => {
      watch?.onConsole(bytes);
      await deps.writeConsole(bytes);
    },
  });
  undo('the console', () => following.stop());
  await startDomain(virsh, parts.domainFile, parts.disk, config.imageDir, log);
  // Now, for a container that is killed, and again at the end, for what is made until then.
  await parts.disk.handOver();
  status.mark('running');
  await status.update({ state: 'booting' });
  log.info(`the domain runs after ${(deps.clock() / 1000).toFixed(2)} s`);
  await openForwards(virsh, parts.network, undo, log.warn);
  const live = await virsh.read();
  watch = watchGuest({
    ask: virsh.agent,
    door: firstDoor(parts.network, config.network.options.ports),
    readySocket: live.channels[READY_PORT],
    onState: (state) => void status.update({ state }).then(() => announce(log.info, state, deps)),
    onPanic: domain.onPanicSeen,
  });
  undo('the watch', () => watch?.stop());
  domain.connect(watch);
  degradeLater(status, config.readyTimeoutMs, log.warn, undo);
  const first = await Promise.race([
    domain.ended.then((reason) => ({ kind: 'ended', reason }) as const),
    stopAsked.then((signal) => ({ kind: 'stop', signal }) as const),
    parts.failed.then((error) => ({ kind: 'failed', error }) as const),
  ]);
  if (first.kind === 'ended') return endingOf(first.reason, domain.panicked());
  if (first.kind === 'failed') {
    await virsh.destroy().catch(() => undefined);
    throw first.error;
  }
  log.info(`stop: ${first.signal} received`);
  await status.update({ state: 'stopping' });
  const agentConnected = () => watch.agentConnected;
  return stopGuest({ virsh, config, log, agentConnected, full: () => room.full, ended: domain.ended });
}

/** Everything before the domain: what does not wait on one another runs side by side. */
async function prepare(deps: Deps, shares: GuestShares, status: StatusFile, virsh: Virsh, undo: Undo) {
  const { exec, spawn, log, config, facts, driver, machine } = deps;
  const emulators = Object.values(BOARDS).map(({ program }) => program);
  const [daemonsResult, acceleratorResult, guestResult] = await Promise.allSettled([
    startDaemons(spawn, driver, emulators, log).then((daemons) => {
      undo('the daemons', () => daemons.stop());
      void virsh.warmUp();
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
  const { disk, disks, plan, seed, failed } = unwrap(guestResult);
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
  return { domainFile, disk, network: plan, failed: Promise.race([daemons.failed, lost, failed]) };
}

/** What the guest gets: its disk, then its seed and its network, which carry what the disk's folder remembers. */
async function prepareGuest(deps: Deps, shares: GuestShares, status: StatusFile, undo: Undo) {
  const { exec, spawn, log, config } = deps;
  const [snapshotResult, diskResult, disksResult] = await Promise.allSettled([
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
    serveShares(deps, shares).then((servers) => undo('the shares', () => servers.stop())),
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

async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

function followEvents(virsh: Virsh, name: string, room: Room, undo: Undo) {
  const child = virsh.events();
  undo('the events', () => child.kill('SIGTERM'));
  let watch: GuestWatch | undefined;
  let agent = false;
  let panicked = false;
  let end: (reason: StopReason) => void = () => undefined;
  const ended = new Promise<StopReason>((resolve) => {
    end = resolve;
  });
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = parseDomainEvent(line, name);
      if (event?.type === 'stopped') end(event.reason);
      if (event?.type === 'panicked') panicked = true;
      if (event?.type === 'full') room.onFull(event.path);
      if (event?.type === 'resumed') room.onResumed();
      if (event?.type === 'rebooted') watch?.onReboot();
      if (event?.type === 'agent') {
        agent = event.connected;
        watch?.onAgent(agent);
      }
    });
  }
  return {
    ended,
    panicked: () => panicked,
    /** A guest without a pvpanic driver says it on its console only, and then stands still. */
    onPanicSeen: () => {
      panicked = true;
      void virsh.destroy();
    },
    connect: (to: GuestWatch) => {
      watch = to;
      if (agent) watch.onAgent(true);
    },
  };
}

async function openForwards(
  virsh: Virsh,
  { nics }: NetworkPlan,
  undo: Undo,
  warn: (line: string) => void,
): Promise<void> {
  // libvirt calls the backend of the guest's NIC number N `hostnetN` (src/qemu/qemu_alias.c).
  const numbered = nics.filter((nic) => nic.interface !== undefined).map((nic, index) => ({ ...nic, index }));
  for (const { forwards, index } of numbered.filter(({ mode }) => mode === 'user')) {
    for (const forward of forwards) {
      const said = await virsh.monitor(hostForwardCommand(`hostnet${index}`, forward));
      if (said) warn(`port ${forward.port}/${forward.protocol} is not forwarded: ${said}`);
    }
  }
  const relays = await startRelays(forwardsOf(nics), warn);
  undo('the relays', () => relays.stop());
}

function announce(info: (line: string) => void, state: Status['state'], { clock, machine }: Deps): void {
  const seconds = (clock() / 1000).toFixed(1);
  if (state === 'ready') info(`ready after ${seconds} s; log in as ${machine.user}`);
  else info(`state: ${state} (${seconds} s)`);
}

function degradeLater(status: StatusFile, limitMs: number, warn: (line: string) => void, undo: Undo): void {
  const timer = setTimeout(() => {
    if (status.current.state === 'ready') return;
    warn(`the guest is not ready after ${limitMs / 1000} s: ${status.current.state}`);
    void status.update({
      state: 'degraded',
      message: `not ready after ${limitMs / 1000} s, in state ${status.current.state}`,
    });
  }, limitMs);
  undo('the timer', () => clearTimeout(timer));
}

/** osinfo's table, made at bake; a root without one allows any well-formed id. */
export async function readOsinfo(): Promise<Record<string, { id: string }>> {
  const text = await readFile(IN_IMAGE.osinfo, 'utf8').catch(() => undefined);
  return text === undefined ? {} : (JSON.parse(text) as Record<string, { id: string }>);
}
