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
  readonly panicked: () => boolean;
}

/** How long one asking is given before the next, other way of asking. */
const PATIENCE_MS = 10_000;
/** A freeze that takes longer than this eats the grace that the shutdown needs. */
const FLUSH_MS = 5_000;
/** One that takes longer than this is not waited for by the first asking: its agent may hang. */
const PROMPT_MS = 2_000;

/**
 * Ends the guest. First of all its file systems are written out, because the engine's grace cannot be seen from inside
 * and may be a second; then it is asked to shut down, by the agent where there is one, else by the power button.
 */
export async function stopGuest(input: StopInput): Promise<Ending> {
  const { virsh, config, log, ended } = input;
  const agentAnswers = await writeOut(input);
  if (config.stopAction === 'destroy') {
    await virsh.destroy();
    return endedAs(await ended, 'destroyed', 'stopped at once, as STOP_ACTION=destroy asks', input);
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
  const reason = await askUntilEnded(input, agentAnswers);
  if (reason) return endedAs(reason, 'shutdown', SHUT_DOWN, input);
  const wantOfRoom = input.full() ? `, paused until ${input.full()} has room,` : '';
  const late = `the guest did not stop within ${config.stopTimeoutMs / 1000} s${wantOfRoom}`;
  log.warn(`stop: ${late}`);
  const missed = input.persistent ? await input.save() : 'the data folder is no volume';
  if (missed === undefined) return saved(`${late}; its memory is saved, and the next start resumes it`);
  // It may have ended by itself meanwhile, which is why there was nothing to save.
  const meanwhile = await within(ended, 0);
  if (meanwhile) return endedAs(meanwhile, 'shutdown', SHUT_DOWN, input);
  log.warn(`stop: the memory is not saved: ${missed}`);
  await virsh.destroy();
  await ended;
  return { exitCode: 71, state: 'failed', message: `${late} and was destroyed` };
}

const SHUT_DOWN = 'the guest shut down';

/** As was asked, or in a way that nobody asked for. */
function endedAs(reason: StopReason, wanted: StopReason, message: string, { panicked }: StopInput): Ending {
  if (reason === wanted && !panicked()) return { exitCode: 0, state: 'stopped', message };
  return endingOf(reason, panicked());
}

/** Has the guest write out its file systems. False: there is no agent that could, or it takes long, or hangs, and goes on by itself. */
async function writeOut({ virsh, config, log, ended, agentConnected, full }: StopInput): Promise<boolean> {
  if (!agentConnected() || full() !== undefined) return false;
  const told = virsh.flush(FLUSH_MS).then((flushed) => {
    log.info(
      flushed
        ? "stop: the guest's file systems are written out"
        : 'stop: the guest agent could not write out the file systems',
    );
  });
  const answered = Promise.race([told, ended]).then(() => true);
  // Memory that is saved while the file systems stand still would go on with them standing still.
  if (config.stopAction === 'save') return answered;
  return (await within(answered, config.stopAction === 'destroy' ? FLUSH_MS : PROMPT_MS)) ?? false;
}

function saved(message: string): Ending {
  return { exitCode: 0, state: 'saved', message };
}

/** Undefined: it has not ended in time. */
async function askUntilEnded(input: StopInput, agentAnswers: boolean): Promise<StopReason | undefined> {
  const { virsh, config, agentConnected, full, ended } = input;
  const deadline = performance.now() + config.stopTimeoutMs;
  for (let turn = agentAnswers ? 0 : 1; ; turn += 1) {
    // Asked again because a guest that was not up yet has not heard it; by turns, because an agent may hang.
    // The agent of a guest that stands still hears nothing; the power button waits for it.
    const mode = agentConnected() && full() === undefined && turn % 2 === 0 ? 'agent' : 'acpi';
    const heard = virsh.shutdown(mode);
    const left = deadline - performance.now();
    const reason = await within(ended, Math.min(left, PATIENCE_MS));
    if (reason) return reason;
    await heard;
    if (performance.now() >= deadline) return undefined;
  }
}

async function within<T>(event: Promise<T>, limitMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.max(0, limitMs));
  });
  const result = await Promise.race([event, limit]);
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
