import type { Exec, Log, Spawn } from '@virtainers/core';

/** What every step of a bake is handed: the doors to the outside, and nothing else reaches it. */
export interface BuildContext {
  readonly exec: Exec;
  readonly spawn: Spawn;
  readonly log: Log;
  /** Absolute; made if missing. Content-addressed: `blobs/sha256/<hex>` and one folder per kind of key. */
  readonly cacheDir: string;
  /** Where runtime.mjs, templates/ and images/ lie (the built command's dist folder). */
  readonly assetsDir: string;
  /** Seconds since 1970: every mtime in every layer, the image's creation date. */
  readonly sourceDateEpoch: number;
  readonly onEvent: (event: BuildEvent) => void;
  readonly signal?: AbortSignal | undefined;
  /** Nothing is asked from the network. */
  readonly offline?: boolean | undefined;
  /** How servers are waited for, where it is not as usual. */
  readonly patience?: Patience | undefined;
  /** The environment for programs that are called, and for proxies and auth files. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Patience {
  /** How long a server may say nothing. */
  readonly silenceMs?: number | undefined;
  /** Waits between tries. */
  readonly pause?: ((ms: number, signal?: AbortSignal) => Promise<void>) | undefined;
}

/**
 * Progress, for bars and plain lines. `step` ids are stable: find, fetch, root, feature-NAME, tools, disk, size, customize, base, scrub, layers, archive, load, push, attach, sign.
 * `image` is the name of the image that the step is for, of several that are made at once; undefined: it is for all.
 */
export type BuildEvent = { readonly step: string; readonly image?: string | undefined } & (
  | { readonly type: 'start'; readonly title: string }
  | { readonly type: 'progress'; readonly done: number; readonly total?: number | undefined }
  /** What it is at, where nobody knows how much there is. */
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'end'; readonly note: string; readonly cached: boolean }
);
