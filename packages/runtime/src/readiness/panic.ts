import { makeLineReader } from './signs.ts';

export interface PanicWatch {
  /** Bytes of the serial console, as they come. */
  onConsole(bytes: Uint8Array): void;
  /** The guest lives: whatever was suspected is not so. */
  clear(): void;
}

export interface PanicWatchInput {
  /** Whether the guest's agent answers; false where there is none. */
  readonly answers: () => Promise<boolean>;
  readonly onPanic: () => void;
  /** How long a console must be silent: a guest that lives shows a prompt sooner. */
  readonly quietMs?: number;
}

/** The beginning of a line that printk wrote: its time, and the caller where the kernel is told to name it. */
const STAMP = /^\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? /;
/** What panic() says first, and last of all (Linux, kernel/panic.c); the first may stand behind a prompt, where it is not seen. */
const PANIC = /^(?:\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? )?(?:---\[ end )?Kernel panic - not syncing/;

/**
 * Whether the guest panicked, by its console: not every kernel can tell QEMU, and none can early in its boot. But a console also shows the
 * words of a guest that lives, and these may quote a panic: an older log, the console of a guest inside. So what counts is printk's own
 * line, upon which nothing follows but more of printk's, then silence, and an agent that does not answer.
 */
export function watchPanic({ answers, onPanic, quietMs = 2000 }: PanicWatchInput): PanicWatch {
  let suspicion: { readonly stamped: boolean; readonly answers: Promise<boolean> } | undefined;
  let rest = '';
  let silence: NodeJS.Timeout | undefined;
  const clear = () => {
    clearTimeout(silence);
    suspicion = undefined;
  };
  const read = makeLineReader((line) => {
    if (PANIC.test(line)) suspicion = { stamped: STAMP.test(line), answers: suspicion?.answers ?? answers() };
    else if (suspicion?.stamped && line !== '' && !STAMP.test(line)) clear();
  });
  const judge = async () => {
    const suspected = suspicion;
    const heard = silence;
    // A prompt has no end of line.
    if (rest !== '' || (await suspected?.answers)) clear();
    // What has come meanwhile is judged by itself.
    else if (suspected === suspicion && heard === silence) onPanic();
  };
  return {
    onConsole: (bytes) => {
      rest = read(bytes);
      if (!suspicion) return;
      clearTimeout(silence);
      silence = setTimeout(() => void judge(), quietMs);
    },
    clear,
  };
}
