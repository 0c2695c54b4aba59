import type { Exec, Log, Machine, Spawn } from '@virtainers/core';
import type { Config } from '../config/parse.ts';
import type { ContainerFacts } from '../container/facts.ts';
import type { SharedEntry } from '../container/shares.ts';
import type { Driver } from '../daemon/driver.ts';

/** What a life of the machine is handed by main.ts. */
export interface Deps {
  readonly exec: Exec;
  readonly spawn: Spawn;
  readonly log: Log;
  readonly config: Config;
  readonly machine: Machine;
  readonly facts: ContainerFacts;
  /** What the image brings, by name. */
  readonly features: ReadonlySet<string>;
  /** What it is given for its guest in /shares. */
  readonly sharedEntries: readonly SharedEntry[];
  readonly driver: Driver;
  /** The container's host name. */
  readonly hostname: string;
  /** Folder of templates/. */
  readonly templates: string;
  /** Where status.json goes. */
  readonly statusPath: string;
  /** The guest's console goes here. */
  readonly writeConsole: (bytes: Uint8Array) => Promise<void>;
  /** Resolves at the first SIGTERM, SIGINT or SIGQUIT, with its name. */
  readonly stopAsked: Promise<string>;
  /** Milliseconds since the supervisor's start. */
  readonly clock: () => number;
}
