import type { Log } from '@virtainers/core';
import type { Config } from '../config/parse.ts';
import type { StopReason } from '../domain/events.ts';
import type { Virsh } from '../domain/virsh.ts';

/** How a life ended. */
export interface Ending {
  readonly exitCode: number;
  readonly state: 'stopped' | 'saved' | 'failed';
  readonly message: string;
}

export interface StopInput {
  readonly virsh: Virsh;
  readonly config: Pick<Config, 'stopAction' | 'stopTimeoutMs'>;
  readonly log: Log;
  readonly agentConnected: () => boolean;
  /** The disk for want of whose room the guest stands still. */
  readonly full: () => string | undefined;
  /** What is saved outlives the container. */
  readonly persistent: boolean;
  /** Saves the guest's memory, which ends it; or gives back why not, and it goes on. */
  readonly save: () => Promise<string | undefined>;
  /** Resolves when the domain is gone. */
  readonly ended: Promise<StopReason>;
}

/** How long one asking is given before the next, other way of asking. */
const PATIENCE_MS = 10_000;
/** A freeze that takes longer than this eats the grace that the shutdown needs. */
const FLUSH_MS = 5_000;

/**
 * Ends the guest. First of all its file systems are written out, because the engine's grace cannot be seen from inside
 * and may be a second; then it is asked to shut down, by the agent where there is one, else by the power button.
 */
export async function stopGuest(input: StopInput): Promise<Ending> {
  const { virsh, config, log, ended } = input;
  if (input.agentConnected() && input.full() === undefined) {
    const flushed = await Promise.race([virsh.flush(FLUSH_MS), ended.then(() => true)]);
    log.info(
      flushed
        ? "stop: the guest's file systems are written out"
        : 'stop: the guest agent could not write out the file systems',
    );
  }
  if (config.stopAction === 'destroy') {
    await virsh.destroy();
    await ended;
    return { exitCode: 0, state: 'stopped', message: 'stopped at once, as STOP_ACTION=destroy asks' };
  }
  if (config.stopAction === 'save') {
    log.info("stop: saving the guest's memory");
    const missed = await input.save();
    if (missed === undefined) return saved("the guest's memory is saved; the next start resumes it");
    log.warn(`stop: the memory is not saved: ${missed}`);
  }
  log.info(
    `stop: asking the guest to shut down, for at most ${config.stopTimeoutMs / 1000} s; an engine that kills earlier wants --stop-timeout or stop -t`,
  );
  const full = input.full();
  if (full) log.warn(`stop: the guest is paused until ${full} has room; what it has flushed is kept whatever happens`);
  if (await askUntilEnded(input)) return { exitCode: 0, state: 'stopped', message: 'the guest shut down' };
  const wantOfRoom = input.full() ? `, paused until ${input.full()} has room,` : '';
  const late = `the guest did not stop within ${config.stopTimeoutMs / 1000} s${wantOfRoom}`;
  log.warn(`stop: ${late}`);
  const missed = input.persistent ? await input.save() : 'the data folder is no volume';
  if (missed === undefined) return saved(`${late}; its memory is saved, and the next start resumes it`);
  // It may have ended by itself meanwhile, which is why there was nothing to save.
  if (await within(ended, 0)) return { exitCode: 0, state: 'stopped', message: 'the guest shut down' };
  log.warn(`stop: the memory is not saved: ${missed}`);
  await virsh.destroy();
  await ended;
  return { exitCode: 71, state: 'failed', message: `${late} and was destroyed` };
}

function saved(message: string): Ending {
  return { exitCode: 0, state: 'saved', message };
}

async function askUntilEnded({ virsh, config, agentConnected, full, ended }: StopInput): Promise<boolean> {
  const deadline = performance.now() + config.stopTimeoutMs;
  for (let asked = 0; ; asked += 1) {
    // Asked again because a guest that was not up yet has not heard it; by turns, because an agent may hang.
    // The agent of a guest that stands still hears nothing; the power button waits for it.
    const mode = agentConnected() && full() === undefined && asked % 2 === 0 ? 'agent' : 'acpi';
    const heard = virsh.shutdown(mode);
    const left = deadline - performance.now();
    if (await within(ended, Math.min(left, PATIENCE_MS))) return true;
    await heard;
    if (performance.now() >= deadline) return false;
  }
}

async function within(event: Promise<unknown>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), Math.max(0, limitMs));
  });
  const result = await Promise.race([event.then(() => true), limit]);
  clearTimeout(timer);
  return result;
}

/** What an end that nobody asked for means. */
export function endingOf(reason: StopReason, panicked: boolean): Ending {
  if (panicked) return { exitCode: 70, state: 'failed', message: 'the guest panicked' };
  switch (reason) {
    case 'shutdown':
      return { exitCode: 0, state: 'stopped', message: 'the guest powered off' };
    case 'destroyed':
      return { exitCode: 0, state: 'stopped', message: 'the domain was destroyed by hand' };
    case 'saved':
      return { exitCode: 0, state: 'stopped', message: 'the domain was saved by hand' };
    case 'crashed':
    case 'failed':
      return { exitCode: 70, state: 'failed', message: 'QEMU ended unexpectedly' };
  }
}
