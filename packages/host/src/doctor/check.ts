import type { HostContext } from '../context.ts';
import type { Answer } from '../engine/find.ts';

export type CheckStatus = 'ok' | 'warning' | 'failed';

/** What one check found. */
export interface Finding {
  readonly status: CheckStatus;
  readonly detail: string;
  /** Instead of the row's own remedy. */
  readonly remedy?: string | undefined;
}

/** What every check may look at. */
export interface CheckContext extends HostContext {
  readonly cacheDir: string;
  /** Asked once, for all checks. */
  readonly answers: readonly Answer[];
}

export interface Check {
  /** Stable, for scripts: `kvm`. */
  readonly name: string;
  readonly title: string;
  readonly check: (context: CheckContext) => Promise<Finding>;
  /** What to do when it is not ok. */
  readonly remedy: string;
}
