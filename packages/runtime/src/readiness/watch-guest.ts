import { connect } from 'node:net';
import { type AskAgent, askAgent } from './agent.ts';
import { type Door, knockUntilAnswered } from './knock.ts';
import { watchPanic } from './panic.ts';
import { consoleSigns, makeLineReader, noSigns, type Signs, stateOf } from './signs.ts';

export interface GuestWatch {
  /** Bytes of the serial console, as they come. */
  onConsole(bytes: Uint8Array): void;
  /** The agent's channel opened or closed. */
  onAgent(connected: boolean): void;
  /** The guest began again. */
  onReboot(): void;
  stop(): void;
}

export interface GuestWatchInput {
  readonly ask: AskAgent;
  readonly door: Door | undefined;
  /** Unix socket of the virtio port that our vendor-data writes to. */
  readonly readySocket: string | undefined;
  readonly onState: (state: ReturnType<typeof stateOf>) => void;
  readonly onPanic: () => void;
  /** That socket was closed, by QEMU's end if not by ours. */
  readonly onClosed?: (() => void) | undefined;
}

/** Gathers the signs of one guest from all who can tell and reports its state whenever it changes. */
export function watchGuest(input: GuestWatchInput): GuestWatch {
  let signs: Signs = noSigns;
  let reported: string | undefined;
  let agentConnected = false;
  let knocking = new AbortController();
  const see = (more: Partial<Signs>) => {
    signs = { ...signs, ...more };
    const state = stateOf(signs);
    if (state !== reported) input.onState(state);
    reported = state;
  };
  const consult = async () => {
    const told = await askAgent(input.ask);
    if (told) see(told);
  };
  const knock = () => {
    knocking = new AbortController();
    const { signal } = knocking;
    // The agent, where there is one, knows whether cloud-init runs: a console may be silent about it.
    const answered = () => (agentConnected ? consult() : see({ answered: true }));
    if (input.door) void knockUntilAnswered(input.door, signal).then((open) => (open ? answered() : undefined));
  };
  const port = input.readySocket === undefined ? undefined : connect(input.readySocket);
  port?.on('data', () => see({ cloudInitSeen: true, cloudInitEnded: true }));
  port?.on('error', () => undefined);
  port?.on('close', () => input.onClosed?.());
  knock();
  const panic = watchPanic({
    answers: async () => agentConnected && (await input.ask('guest-ping')) !== undefined,
    onPanic: input.onPanic,
  });
  const read = makeLineReader((line) => {
    const more = consoleSigns(line);
    if (Object.keys(more).length > 0) see(more);
  });
  return {
    onConsole: (bytes) => {
      read(bytes);
      panic.onConsole(bytes);
    },
    onAgent: (connected) => {
      agentConnected = connected;
      if (connected) void consult();
    },
    onReboot: () => {
      panic.clear();
      knocking.abort();
      signs = noSigns;
      see({});
      knock();
    },
    stop: () => {
      panic.clear();
      knocking.abort();
      port?.destroy();
    },
  };
}
