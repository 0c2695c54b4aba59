import { readFile } from 'node:fs/promises';
import { freeBytes, IN_IMAGE, type Log, type MemoryRecord, type Status, VirtainersError } from '@virtainers/core';
import { followConsole } from '../console/follow.ts';
import { type ConsoleHeir, makeConsoleHeir } from '../console/heir.ts';
import { removeLog } from '../console/rotated-files.ts';
import { readLife } from '../container/life.ts';
import type { Daemons } from '../daemon/daemons.ts';
import { makeVirsh, type Virsh } from '../domain/virsh.ts';
import { makeStatusFile, type StatusFile } from '../readiness/status.ts';
import { type GuestWatch, watchGuest } from '../readiness/watch-guest.ts';
import type { Deps } from './deps.ts';
import { followDomain } from './events.ts';
import { openForwards } from './forwards.ts';
import { saveGuest } from './memory.ts';
import { firstDoor } from './network.ts';
import { requireContainer, requireFeatures } from './preflight.ts';
import { type Parts, prepare } from './prepare.ts';
import { reportMachine } from './report.ts';
import { resumeGuest, savedMemory } from './resume.ts';
import { type Room, watchRoom } from './room.ts';
import { READY_PORT } from './seed.ts';
import { type GuestShares, planGuestShares } from './shares.ts';
import { startDomain } from './start-domain.ts';
import { type Ending, endingOf, stopGuest } from './stop.ts';
import type { Undo } from './undo.ts';
import { wakeGuest } from './wake.ts';

/** One life of the machine, from nothing to its exit code. */
export async function runMachine(deps: Deps): Promise<number> {
  const { config, machine, driver, log, clock, statusPath } = deps;
  const status = makeStatusFile(
    statusPath,
    { life: await readLife(), vmName: config.vmName, driver: driver.kind, user: machine.user },
    () => new Date(),
    clock,
    log.warn,
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
    await status.update({ state: 'failed', message: known?.message ?? String(error), exitCode: known?.exitCode ?? 1 });
    throw error;
  } finally {
    // What a stop did not wait for may have begun something meanwhile.
    for (let next = undos.pop(); next; next = undos.pop()) {
      const { name, step } = next;
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
  let daemons: Daemons | undefined;
  const up = async () => daemons?.up();
  const virsh = makeVirsh(exec, spawn, { uri: driver.uri, domain: config.vmName, env: driver.env, up });
  const parts = await prepare(deps, shares, status, virsh, undo, (started) => {
    daemons = started;
    void virsh.warmUp();
  });
  const memory = parts && (await savedMemory(deps, parts, virsh));
  if (!parts || stop.asked) return { exitCode: 0, state: 'stopped', message: 'stopped before the guest was started' };
  const room = watchRoom({ status, log, free: freeBytes, resume: virsh.resume });
  undo('the wait for room', () => room.stop());
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
  const { domain, resumed } = await launchGuest(deps, parts, virsh, room, memory, undo);
  // Now, for a container that is killed, and again at the end, for what is made until then.
  await parts.disk.handOver();
  await inheritConsole(daemons, driver.consoleLog, undo, log);
  status.mark('running');
  await status.update({ state: 'booting', ...(resumed ? { resumed } : {}) });
  log.info(`the domain runs after ${(deps.clock() / 1000).toFixed(2)} s`);
  const attend = async () => {
    await openForwards(virsh, parts.network, undo, log.warn);
    if (resumed) await wakeGuest(deps, parts, virsh);
    const { channels } = await virsh.read();
    if (stop.asked) return;
    watch = watchGuest({
      ask: virsh.agent,
      door: firstDoor(parts.network, config.network.options.ports),
      readySocket: channels[READY_PORT],
      onState: (state) => {
        if (state === 'ready') void status.trouble(LATE, undefined);
        void status.update({ state }).then(() => announce(log.info, state, deps));
      },
      onPanic: domain.onPanicSeen,
      onClosed: domain.onPortClosed,
    });
    undo('the watch', () => watch?.stop());
    domain.connect(watch);
    degradeLater(status, config.readyTimeoutMs, log.warn, undo);
  };
  const first = await Promise.race([
    domain.ended.then((reason) => ({ kind: 'ended', reason }) as const),
    stopAsked.then((signal) => ({ kind: 'stop', signal }) as const),
    parts.failed.then((error) => ({ kind: 'failed', error }) as const),
    attend().then(() => new Promise<never>(() => undefined)),
  ]);
  if (first.kind === 'ended') return endingOf(first.reason, domain.panicked());
  if (first.kind === 'failed') {
    await virsh.destroy().catch(() => undefined);
    throw first.error;
  }
  log.info(`stop: ${first.signal} received`);
  await status.update({ state: 'stopping' });
  const { ended } = domain;
  return stopGuest({
    ...{ virsh, config, log, ended, persistent: parts.disk.persistent },
    ...{ agentConnected: domain.agentConnected, panicked: domain.panicked },
    full: () => room.full,
    save: () => saveGuest(deps, parts, virsh),
  });
}

/** The console goes on when virtlogd is killed, or gives it up on a full disk. */
async function inheritConsole(daemons: Daemons | undefined, consoleLog: string, undo: Undo, log: Log): Promise<void> {
  let heir: ConsoleHeir | undefined;
  const pid = daemons?.watch('virtlogd', () => {
    if (heir) heir.takeOver();
    else log.warn("the guest's console is not seen any more until the next start");
  });
  heir = pid === undefined ? undefined : await makeConsoleHeir(pid, consoleLog);
  undo('the console of virtlogd', () => heir?.stop());
}

/** Resumes the guest from saved memory, or that of a snapshot, or else boots it. Returns when QEMU runs guest code. */
async function launchGuest(
  deps: Deps,
  parts: Parts,
  virsh: Virsh,
  room: Room,
  memory: MemoryRecord | undefined,
  undo: Undo,
) {
  const { config, driver, log } = deps;
  const follow = () => {
    const domain = followDomain(virsh, room, config.vmName, driver.domainLogs);
    undo('the events', () => domain.stop());
    return domain;
  };
  if (memory) {
    const domain = follow();
    if (await resumeGuest(deps, virsh, memory)) return { domain, resumed: true };
    // What it has heard is the end of the attempt.
    domain.stop();
  }
  const domain = follow();
  const resumed = await startDomain(virsh, parts.domainFile, parts.disk, config.imageDir, log);
  return { domain, resumed };
}

function announce(info: (line: string) => void, state: Status['state'], { clock, machine }: Deps): void {
  const seconds = (clock() / 1000).toFixed(1);
  if (state === 'ready') info(`ready after ${seconds} s; log in as ${machine.user}`);
  else info(`state: ${state} (${seconds} s)`);
}

const LATE = 'late';

function degradeLater(status: StatusFile, limitMs: number, warn: (line: string) => void, undo: Undo): void {
  const timer = setTimeout(() => {
    const { reached } = status;
    if (reached === 'ready' || reached === 'stopping') return;
    warn(`the guest is not ready after ${limitMs / 1000} s: ${reached}`);
    void status.trouble(LATE, `not ready after ${limitMs / 1000} s, in state ${reached}`);
  }, limitMs);
  undo('the timer', () => clearTimeout(timer));
}

/** osinfo's table, made at bake; a root without one allows any well-formed id. */
export async function readOsinfo(): Promise<Record<string, { id: string }>> {
  const text = await readFile(IN_IMAGE.osinfo, 'utf8').catch(() => undefined);
  return text === undefined ? {} : (JSON.parse(text) as Record<string, { id: string }>);
}
