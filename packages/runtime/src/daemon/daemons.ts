import { watch } from 'node:fs';
import { chmod, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Child, type Log, logOutput, type Spawn, VirtainersError } from '@virtainers/core';
import { type Driver, daemonConfig } from './driver.ts';
import { wrapEmulators } from './emulators.ts';

export interface Daemons {
  /** Settles when any of them gives up, which none does by itself. One that is killed is started again. */
  readonly failed: Promise<VirtainersError>;
  /** Waits until all of them answer, where one was killed. */
  up(): Promise<void>;
  /** Its process id, and what to do when that process is killed, or is virtlogd and gives a log up; once. */
  watch(name: DaemonName, onLost: () => void): number | undefined;
  /** Ends them in reverse and waits for each. */
  stop(): Promise<void>;
}

export type DaemonName = 'virtlogd' | 'libvirtd';

/** virtlogd could not write, for want of room: it closes QEMU's pipe and never opens it again (libvirt, src/logging/log_handler.c). */
const GIVEN_UP = / virRotatingFileWriter\w+:\d+ : /;

/**
 * Starts virtlogd and libvirtd side by side and waits until both sockets are there. Each has a session of its own,
 * so that Ctrl-C on the container's terminal is a stop and not their end. libvirtd finds its domains again when it is
 * started anew, from what it keeps beside its socket (libvirt, "QEMU driver", reconnecting to running domains).
 */
export async function startDaemons(
  spawn: Spawn,
  driver: Driver,
  emulators: readonly string[],
  log: Log,
): Promise<Daemons> {
  for (const folder of driver.folders) await mkdir(folder, { recursive: true, mode: 0o755 });
  await wrapEmulators(driver, emulators);
  if (driver.kind === 'session') await chmod(driver.runFolder, 0o700);
  for (const [name, text] of Object.entries(daemonConfig(driver)))
    await writeFile(join(driver.configFolder, name), text);
  const sockets = { virtlogd: driver.logSocket, libvirtd: driver.socket };
  const running = (['virtlogd', 'libvirtd'] as const).map((name) =>
    keepRunning(spawn, driver, name, sockets[name], log),
  );
  const stop = async () => {
    for (const daemon of running.toReversed()) await daemon.stop();
  };
  const failed = Promise.race(running.map((daemon) => daemon.failed));
  // One that gives up is not waited for: whoever calls libvirt then gets its error.
  const settled = () => Promise.race([failed, Promise.all(running.map((daemon) => daemon.up()))]);
  const up = async () => void (await settled());
  const first = await settled();
  if (first instanceof VirtainersError) {
    await stop();
    throw first;
  }
  return {
    failed,
    up,
    stop,
    watch: (name, onLost) => running.find((daemon) => daemon.name === name)?.watch(onLost),
  };
}

/** One daemon, started again each time that it is killed. */
function keepRunning(spawn: Spawn, driver: Driver, name: DaemonName, socket: string, log: Log) {
  let stopping = false;
  const mourners: (() => void)[] = [];
  const mourn = () => {
    for (const tell of mourners.splice(0)) tell();
  };
  let current: { child: Child; tail: () => string; appears: Appearance } | undefined;
  let answers: Promise<unknown> = Promise.resolve();
  const start = async () => {
    // A daemon that was killed leaves its socket; a listener is only waited for when it is new.
    await rm(socket, { force: true });
    const appears = socketAppears(socket);
    const child = spawn(name, ['--config', join(driver.configFolder, `${name}.conf`)], {
      env: driver.env,
      detached: true,
      stdout: 'pipe',
      stderr: 'pipe',
    });
    current = { child, tail: logOutput(child, name, log), appears };
    child.stderr?.on('data', (text: string) => {
      if (!GIVEN_UP.test(text) || mourners.length === 0) return;
      log.warn(`${name} has no room for its log, and gives it up`);
      mourn();
    });
    if (stopping) child.kill('SIGTERM');
    return current;
  };
  const live = async (begun: ReturnType<typeof start>): Promise<VirtainersError> => {
    const { child, tail, appears } = await begun;
    const { exitCode, signal } = await child.exited;
    if (stopping) return new Promise(() => undefined);
    if (signal === null || !appears.seen()) {
      return new VirtainersError('DAEMON_FAILED', `${name} ended with ${signal ?? `exit code ${exitCode}`}${tail()}`);
    }
    log.warn(`${name} was killed (${signal}); it is started again`);
    mourn();
    return live(begin());
  };
  const begin = () => {
    const begun = start();
    answers = begun.then(({ appears }) => appears.promise.finally(() => appears.close()));
    return begun;
  };
  return {
    name,
    failed: live(begin()),
    up: () => answers,
    watch: (onLost: () => void) => {
      mourners.push(onLost);
      return current?.child.pid;
    },
    stop: async () => {
      stopping = true;
      current?.child.kill('SIGTERM');
      await current?.child.exited;
      current?.appears.close();
    },
  };
}

interface Appearance {
  readonly promise: Promise<void>;
  /** Whether it has come. */
  seen(): boolean;
  close(): void;
}

/** libvirt's daemons make the socket and listen before anyone else can see it under its name. */
function socketAppears(path: string): Appearance {
  const watcher = watch(dirname(path));
  let seen = false;
  const promise = new Promise<void>((resolve) => {
    const look = () =>
      stat(path).then(
        (found) => {
          seen ||= found.isSocket();
          if (seen) resolve();
        },
        () => undefined,
      );
    watcher.on('change', (_event, name) => {
      if (name === null || name === basename(path)) void look();
    });
    void look();
  });
  return { promise, seen: () => seen, close: () => watcher.close() };
}
