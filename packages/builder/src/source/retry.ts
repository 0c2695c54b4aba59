import { setTimeout as delay } from 'node:timers/promises';
import { TransientError, type Way } from './http.ts';

export const TRIES = 5;
const FIRST_PAUSE_MS = 500;

/** Does `step` until it succeeds, fails for good, or has failed TRIES times without progress in a way that time may cure. */
export async function retrying<T>(
  step: () => Promise<T>,
  { pause = wait, signal }: Pick<Way, 'pause' | 'signal'>,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      if (error.progressed) tried = 1;
      if (tried === TRIES) throw error;
      await pause(Math.max(FIRST_PAUSE_MS * 2 ** (tried - 1), error.retryAfterMs ?? 0), signal);
    }
  }
}

async function wait(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal ? { signal } : {});
}
