import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Child } from '@virtainers/core';
import { parseDomainEvent, parseLastReason, type StopReason } from '../domain/events.ts';
import type { Virsh } from '../domain/virsh.ts';
import type { GuestWatch } from '../readiness/watch-guest.ts';
import type { Room } from './room.ts';

export interface DomainFollower {
  readonly ended: Promise<StopReason>;
  panicked(): boolean;
  /** The guest's agent has its port open. */
  agentConnected(): boolean;
  /** A guest without a pvpanic driver says it on its console only, and then stands still. */
  onPanicSeen(): void;
  /** The guest's port was closed, which QEMU's end does. */
  onPortClosed(): void;
  connect(watch: GuestWatch): void;
  stop(): void;
}

/**
 * Follows what libvirt tells of one domain. A libvirtd that is killed takes its streams with it: another one is opened when
 * libvirt is back, and what happened in between is asked for.
 */
export function followDomain(virsh: Virsh, room: Room, name: string, domainLogs: string): DomainFollower {
  let watch: GuestWatch | undefined;
  let agent = false;
  let panicked = false;
  let stopped = false;
  let reopened = false;
  let child: Child | undefined;
  let end: (reason: StopReason) => void = () => undefined;
  const ended = new Promise<StopReason>((resolve) => {
    end = resolve;
  });
  const onLine = (line: string) => {
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
  };
  /** Whether the domain ended while nobody listened; libvirt's own log of it knows how. */
  const catchUp = async () => {
    if (stopped || !(await virsh.isGone())) return;
    const log = await readFile(join(domainLogs, `${name}.log`), 'utf8').catch(() => '');
    end(parseLastReason(log) ?? 'failed');
  };
  const follow = async () => {
    while (!stopped) {
      child = await virsh.events();
      if (stopped) child.kill('SIGTERM');
      if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => !stopped && onLine(line));
      if (reopened) void catchUp();
      await child.exited;
      reopened = true;
    }
  };
  void follow();
  return {
    ended,
    panicked: () => panicked,
    agentConnected: () => agent,
    onPanicSeen: () => {
      panicked = true;
      void virsh.destroy();
    },
    onPortClosed: () => {
      // The event of an end says more; only a stream that was opened late may have missed it.
      if (reopened) void catchUp();
    },
    connect: (to) => {
      watch = to;
      if (agent) watch.onAgent(true);
    },
    stop: () => {
      stopped = true;
      child?.kill('SIGTERM');
    },
  };
}
