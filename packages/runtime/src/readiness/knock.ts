import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Door {
  readonly host: string;
  readonly port: number;
  /** SLIRP accepts for a guest that is not there yet: only what the guest says counts. */
  readonly needsData: boolean;
}

/** How long one knock may take, and the pause after one that failed: nothing tells us when a guest begins to listen. */
const KNOCK_MS = 3000;
const PAUSE_MS = 250;

/** Knocks until the door answers (true) or the signal says to stop (false). */
export async function knockUntilAnswered(door: Door, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if (await knock(door, signal)) return true;
    await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
  return false;
}

function knock({ host, port, needsData }: Door, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: KNOCK_MS });
    const end = (answered: boolean) => {
      signal.removeEventListener('abort', giveUp);
      socket.destroy();
      resolve(answered);
    };
    const giveUp = () => end(false);
    signal.addEventListener('abort', giveUp);
    socket.once('connect', () => !needsData && end(true));
    socket.once('data', () => end(true));
    for (const event of ['error', 'close', 'timeout'] as const) socket.once(event, giveUp);
  });
}
