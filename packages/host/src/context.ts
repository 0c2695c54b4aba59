import type { Exec, Log, Spawn } from '@virtainers/core';

/** What everything in this package is handed: the doors to the outside, and what is known of this machine. */
export interface HostContext {
  readonly exec: Exec;
  readonly spawn: Spawn;
  readonly log: Log;
  /** As the person set it; engines find their sockets and files through it, we never change it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The person's home folder. */
  readonly home: string;
  /** The running kernel's release: an engine that names another one runs on another machine. */
  readonly kernel: string;
  readonly signal?: AbortSignal | undefined;
}
