import { watch } from 'node:fs';
import { chmod, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Child, type Log, logOutput, type Spawn, VirtainersError } from '@virtainers/core';
import { type Driver, daemonConfig } from './driver.ts';
import { wrapEmulators } from './emulators.ts';

export interface Daemons {
  /** Settles when any of them ends, which none does by itself. */
  readonly failed: Promise<VirtainersError>;
  /** Ends them in reverse and waits for each. */
  stop(): Promise<void>;
}

/**
 * Starts virtlogd and libvirtd side by side and waits until both sockets are there. Each has a session of its own,
 * so that Ctrl-C on the container's terminal is a stop and not their end.
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
  // A container that was killed leaves its sockets and pid files; a listener is only waited for when it is new.
  for (const stale of [driver.socket, driver.logSocket]) await rm(stale, { force: true });
  const started = [
    { name: 'virtlogd', socket: driver.logSocket },
    { name: 'libvirtd', socket: driver.socket },
  ].map(({ name, socket }) => {
    const appears = socketAppears(socket);
    const child = spawn(name, ['--config', join(driver.configFolder, `${name}.conf`)], {
      env: driver.env,
      detached: true,
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const tail = logOutput(child, name, log);
    const ended = child.exited.then(
      ({ exitCode, signal }) =>
        new VirtainersError('DAEMON_FAILED', `${name} ended with ${signal ?? `exit code ${exitCode}`}${tail()}`),
    );
    return { child, ended, appears };
  });
  try {
    for (const { appears, ended } of started) {
      const first = await Promise.race([appears.promise, ended]);
      if (first instanceof VirtainersError) throw first;
    }
  } catch (error) {
    await stopAll(started);
    throw error;
  } finally {
    for (const { appears } of started) appears.close();
  }
  return { failed: Promise.race(started.map(({ ended }) => ended)), stop: () => stopAll(started) };
}

async function stopAll(started: readonly { child: Child }[]): Promise<void> {
  for (const { child } of [...started].reverse()) {
    child.kill('SIGTERM');
    await child.exited;
  }
}

/** libvirt's daemons make the socket and listen before anyone else can see it under its name. */
function socketAppears(path: string): { promise: Promise<void>; close: () => void } {
  const watcher = watch(dirname(path));
  const promise = new Promise<void>((resolve) => {
    const look = () =>
      stat(path).then(
        (found) => found.isSocket() && resolve(),
        () => undefined,
      );
    watcher.on('change', (_event, name) => {
      if (name === null || name === basename(path)) void look();
    });
    void look();
  });
  return { promise, close: () => watcher.close() };
}
