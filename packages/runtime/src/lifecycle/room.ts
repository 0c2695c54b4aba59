import { setTimeout as delay } from 'node:timers/promises';
import { formatSize, type Log } from '@virtainers/core';
import type { StatusFile } from '../readiness/status.ts';

/** While a guest stands still for want of room: how often its file system is asked, and how much must have come free. */
const LOOK_MS = 1000;
const ENOUGH = 1024 ** 2;

export interface Room {
  /** QEMU has paused the guest, because a disk of it could not grow. */
  onFull(path: string): void;
  /** The guest runs again, whoever said so. */
  onResumed(): void;
  /** The disk that has no room, while the guest stands still. */
  readonly full: string | undefined;
  stop(): void;
}

export interface RoomInput {
  readonly status: Pick<StatusFile, 'trouble'>;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Bytes that are free where the file lies. */
  readonly free: (path: string) => Promise<number>;
  readonly resume: () => Promise<void>;
  readonly wait?: typeof delay;
}

/**
 * A disk that cannot grow is no error to the guest: QEMU pauses it and repeats the write when it is resumed (qemu(1),
 * `werror=enospc`). That is said, and the guest resumed once more is free than when it stopped. The kernel tells nobody
 * that a file system has room again, so it is asked, for as long as the guest stands still.
 */
export function watchRoom({ status, log, free, resume, wait = delay }: RoomInput): Room {
  let paused: { readonly path: string; readonly end: AbortController } | undefined;
  const look = async (path: string, signal: AbortSignal) => {
    const least = (await free(path)) + ENOUGH;
    while (!signal.aborted) {
      await wait(LOOK_MS, undefined, { signal });
      // One that libvirt refuses, because it is at something else, is asked for again.
      if ((await free(path)) >= least) await resume().catch(() => undefined);
    }
  };
  return {
    onFull(path) {
      if (paused) return;
      const end = new AbortController();
      paused = { path, end };
      log.warn(
        `${path} cannot grow: no room left. The guest is paused, and goes on by itself when ${formatSize(ENOUGH)} or more come free`,
      );
      void status.trouble('room', `paused: there is no room left for ${path}`);
      look(path, end.signal).catch((error: unknown) => {
        if (!end.signal.aborted) log.warn(`looking for room at ${path}: ${String(error)}; then: virsh resume`);
      });
    },
    onResumed() {
      if (!paused) return;
      const { path, end } = paused;
      end.abort();
      paused = undefined;
      log.info(`${path} has room again: the guest goes on`);
      void status.trouble('room', undefined);
    },
    get full() {
      return paused?.path;
    },
    stop: () => paused?.end.abort(),
  };
}
