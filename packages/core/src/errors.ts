/**
 * Every expected failure, by code: what it means, what it exits with, and where to look.
 * docs/errors.md is generated from this table.
 */
export const ERRORS = {
  ARGUMENTS_BAD: { exit: 64, title: 'The command line cannot be understood' },
  BASE_MISMATCH: { exit: 65, title: 'The overlay was made on another base disk' },
  DISK_REFUSED: { exit: 65, title: 'The disk image is unsafe, broken or of an unknown kind' },
  SCRUB_IMPOSSIBLE: { exit: 65, title: 'What only its machine may have cannot be taken out of a disk' },
  DIGEST_MISMATCH: { exit: 65, title: 'The bytes are not the ones that were asked for' },
  SIGNATURE_BAD: { exit: 65, title: 'A signature of a vendor is missing or does not hold' },
  SOURCE_UNAVAILABLE: { exit: 69, title: 'A file could not be fetched' },
  REGISTRY_DENIED: { exit: 69, title: 'A registry does not let this user do what was asked for' },
  OFFLINE: { exit: 69, title: 'Something is missing that --offline does not let fetch' },
  IMAGE_UNKNOWN: { exit: 64, title: 'No image of that name' },
  DEFINITION_INVALID: { exit: 78, title: 'An image definition does not fit its schema' },
  CUSTOMIZE_INVALID: { exit: 78, title: 'What a disk is to be given cannot be understood or found' },
  CUSTOMIZE_FAILED: { exit: 70, title: 'A disk could not be customized: something failed in its guest' },
  SANDBOX_UNAVAILABLE: { exit: 69, title: 'This host does not allow the namespaces in which a disk is customized' },
  LOCK_STALE: { exit: 69, title: 'A lock file names packages that the mirror no longer has' },
  ROOT_INVALID: { exit: 65, title: 'The runtime root is not one that virtainers made' },
  ARCHIVE_INVALID: { exit: 65, title: 'The file is not an image archive' },
  TOOL_MISSING: { exit: 69, title: 'A program that this step needs is not installed' },
  CAPABILITY_MISSING: { exit: 69, title: 'The container does not allow what was asked for' },
  FEATURE_MISSING: { exit: 69, title: 'The image was baked without a feature that was asked for' },
  ENGINE_UNAVAILABLE: { exit: 69, title: 'No container engine answers' },
  CONTAINER_UNKNOWN: { exit: 64, title: 'No container of that name' },
  CONTAINER_STOPPED: { exit: 69, title: 'The container is not running' },
  SNAPSHOT_UNKNOWN: { exit: 64, title: 'The machine has no snapshot of that name' },
  NETWORK_UNKNOWN: { exit: 64, title: 'No network of that name' },
  NETWORK_EXISTS: { exit: 64, title: 'There is a network of that name' },
  NETWORK_OVERLAPS: { exit: 65, title: 'The addresses of a network are in use, as another network or a route' },
  NETWORK_UNAVAILABLE: { exit: 69, title: 'The network mode cannot work in this container' },
  GUEST_CRASHED: { exit: 70, title: 'The guest crashed or panicked' },
  GUEST_DEGRADED: { exit: 70, title: 'The guest did not become ready in time' },
  STOP_TIMEOUT: { exit: 71, title: 'The guest did not stop in time, could not be saved and was destroyed' },
  DATA_UNWRITABLE: { exit: 73, title: 'The data folder, or a disk, cannot be written' },
  DATA_IN_USE: { exit: 73, title: 'The data folder, or a disk, is in use by another virtual machine' },
  DISK_UNAVAILABLE: { exit: 69, title: 'A disk on the network cannot be opened' },
  DISK_FULL: { exit: 73, title: 'There is no room left on the disk' },
  CACHE_UNWRITABLE: { exit: 73, title: 'The cache cannot be written' },
  OUTPUT_UNWRITABLE: { exit: 73, title: 'The output cannot be written' },
  CONFIG_INVALID: { exit: 78, title: 'Settings are missing, wrong or contradict each other' },
  COMMAND_FAILED: { exit: 69, title: 'A program that was called failed' },
  DAEMON_FAILED: { exit: 69, title: 'A daemon did not start or ended early' },
} as const satisfies Record<string, { exit: number; title: string }>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorDetails {
  /** What to do next, one sentence. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** A failure that is not a bug: `message` says what was being done with which operand, `hint` what to do next. */
export class VirtainersError extends Error {
  override readonly name = 'VirtainersError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }

  /** The process exit code that goes with `code`. */
  get exitCode(): number {
    return ERRORS[this.code].exit;
  }
}

/**
 * Turns anything thrown into the lines a person reads and the exit code a script reads.
 * Whatever is not a VirtainersError is a bug of ours: exit 1, with its stack.
 */
export function describeError(error: unknown): { lines: string[]; exitCode: number } {
  if (error instanceof VirtainersError) {
    const lines = [`error: ${error.message}`];
    if (error.hint) lines.push(`hint: ${error.hint}`);
    return { lines, exitCode: error.exitCode };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { lines: ['error: this is a bug in virtainers; please report it with the lines below', text], exitCode: 1 };
}
