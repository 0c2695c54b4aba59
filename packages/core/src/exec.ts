import type { Readable, Writable } from 'node:stream';
import { execa, type Options } from 'execa';
import { VirtainersError } from './errors.ts';

export interface ExecOptions {
  readonly input?: string | Uint8Array | undefined;
  readonly cwd?: string | undefined;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Give back a non-zero exit code instead of throwing COMMAND_FAILED; a timeout throws all the same. */
  readonly allowFailure?: boolean | undefined;
  /** Words that must not be seen in an error: passwords, tokens. */
  readonly secrets?: readonly string[] | undefined;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Runs a program to its end. Throws TOOL_MISSING or COMMAND_FAILED; argv is never seen by a shell. */
export type Exec = (file: string, args: readonly string[], options?: ExecOptions) => Promise<ExecResult>;

export interface SpawnOptions {
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** A session of its own: Ctrl-C on the terminal does not reach it. */
  readonly detached?: boolean | undefined;
  /** Defaults: stdin ignored, stdout and stderr piped. */
  readonly stdin?: 'pipe' | 'ignore' | 'inherit' | undefined;
  readonly stdout?: 'pipe' | 'ignore' | 'inherit' | undefined;
  readonly stderr?: 'pipe' | 'ignore' | 'inherit' | undefined;
}

/** A program that runs beside us. `exited` never rejects; a program that cannot be started ends with code 127. */
export interface Child {
  readonly pid: number | undefined;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly exited: Promise<{ exitCode: number | null; signal: string | null }>;
  kill(signal?: NodeJS.Signals): void;
}

export type Spawn = (file: string, args: readonly string[], options?: SpawnOptions) => Child;

const STDERR_TAIL = 2000;

/** What a program prints is read by us: it comes in one language, and names are UTF-8 (locale(7), gettext(3)). */
const PLAIN_LOCALE = { LC_ALL: 'C.UTF-8', LANGUAGE: undefined } as const;

/** The real Exec. `onRun` sees every argv before it runs (DEBUG). */
export function makeExec(onRun?: (argv: readonly string[]) => void): Exec {
  return async (file, args, options = {}) => {
    onRun?.([file, ...args]);
    const result = await execa(file, [...args], {
      ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.timeoutMs === undefined ? {} : { timeout: options.timeoutMs }),
      ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
      env: { ...options.env, ...PLAIN_LOCALE },
      reject: false,
      stripFinalNewline: false,
      maxBuffer: 64 * 1024 * 1024,
    });
    const stdout = String(result.stdout ?? '');
    const stderr = String(result.stderr ?? '');
    if ('code' in result && result.code === 'ENOENT') throw toolMissing(file);
    // A program may take the SIGTERM of a timeout for a wish and end well (QEMU does).
    if (result.timedOut || result.exitCode === undefined || (result.exitCode !== 0 && !options.allowFailure)) {
      const how = result.timedOut
        ? `timed out after ${options.timeoutMs} ms`
        : result.exitCode === undefined
          ? `ended by ${result.signal ?? result.originalMessage ?? 'an unknown cause'}`
          : `exit code ${result.exitCode}`;
      throw commandFailed([file, ...args], how, stderr || stdout, options.secrets);
    }
    return { stdout, stderr, exitCode: result.exitCode };
  };
}

/** The real Spawn. */
export function makeSpawn(onRun?: (argv: readonly string[]) => void): Spawn {
  return (file, args, options = {}) => {
    onRun?.([file, ...args]);
    const settings: Options & { reject: false; buffer: false } = {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      // A person at the terminal is spoken to in the person's language.
      env: { ...options.env, ...(options.stdout === 'inherit' ? {} : PLAIN_LOCALE) },
      detached: options.detached ?? false,
      cleanup: !options.detached,
      reject: false,
      buffer: false,
      stdin: options.stdin ?? 'ignore',
      stdout: options.stdout ?? 'pipe',
      stderr: options.stderr ?? 'pipe',
    };
    const child = execa(file, [...args], settings);
    return {
      pid: child.pid,
      stdin: child.stdin,
      stdout: child.stdout,
      stderr: child.stderr,
      exited: child.then((result) =>
        result.exitCode === undefined && result.signal === undefined
          ? { exitCode: 127, signal: null }
          : { exitCode: result.exitCode ?? null, signal: result.signal ?? null },
      ),
      kill: (signal) => {
        child.kill(signal);
      },
    };
  };
}

/** The error for a program that is not there; names the Debian package where it is known to differ. */
export function toolMissing(file: string): VirtainersError {
  const packages: Record<string, string> = {
    'qemu-img': 'qemu-utils',
    xz: 'xz-utils',
    'qemu-system-x86_64': 'qemu-system-x86',
    dnsmasq: 'dnsmasq-base',
    nft: 'nftables',
    ip: 'iproute2',
    flock: 'util-linux',
    sfdisk: 'fdisk',
    debugfs: 'e2fsprogs',
    docker: 'docker.io',
  };
  return new VirtainersError('TOOL_MISSING', `${file} is not installed`, {
    hint: `install it (Debian: apt-get install ${packages[file] ?? file})`,
  });
}

/** A child process that failed: its argv, how it ended and the end of what it said. */
export function commandFailed(
  argv: readonly string[],
  how: string,
  output: string,
  secrets: readonly string[] = [],
): VirtainersError {
  let text = `running ${argv.map(quote).join(' ')}: ${how}`;
  const tail = output.trimEnd().slice(-STDERR_TAIL);
  if (tail) text += `\n${tail.replace(/^/gm, '  ')}`;
  for (const secret of secrets) if (secret) text = text.replaceAll(secret, '***');
  return new VirtainersError('COMMAND_FAILED', text);
}

/** For people to read or paste, never to be run by us. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
