import { createInterface } from 'node:readline';
import {
  ERRORS,
  type ErrorCode,
  IN_IMAGE,
  readStatusText,
  type State,
  type Status,
  VirtainersError,
} from '@virtainers/core';
import type { HostContext } from './context.ts';
import type { FoundContainer } from './engine/container.ts';

const FOLLOW = ['node', IN_IMAGE.runtime, 'status', '--follow'] as const;
const LOG_LINES = 15;

type OnStatus = (status: Status) => void;

/** What the states mean from which none of the wanted ones comes any more. The others are on the way. */
const FINAL: Partial<Record<State, ErrorCode>> = {
  degraded: 'GUEST_DEGRADED',
  failed: 'GUEST_CRASHED',
  stopped: 'CONTAINER_STOPPED',
  saved: 'CONTAINER_STOPPED',
};

/**
 * Follows the guest's states until it is ready; the supervisor tells them one by one. Throws what kept it from
 * getting there: GUEST_DEGRADED, GUEST_CRASHED, CONTAINER_STOPPED with the log's last lines; COMMAND_FAILED where the
 * supervisor is one that we do not understand.
 */
export function waitUntilReady(context: HostContext, found: FoundContainer, onStatus?: OnStatus): Promise<Status> {
  return waitForState(context, found, ['ready'], onStatus);
}

/** As waitUntilReady, until any of `wanted`. */
export async function waitForState(
  context: HostContext,
  found: FoundContainer,
  wanted: readonly State[],
  onStatus: OnStatus = () => undefined,
): Promise<Status> {
  const child = found.client.spawn(found.facts.id, FOLLOW);
  const stop = () => child.kill('SIGTERM');
  context.signal?.addEventListener('abort', stop, { once: true });
  try {
    const complaint = collect(child.stderr);
    const { last, odd } = await follow(found, child.stdout, wanted, onStatus);
    if (last && wanted.includes(last.state)) return last;
    if (last) throw await ended(found, last);
    await child.exited;
    throw await gone(found, (await complaint) || odd);
  } finally {
    context.signal?.removeEventListener('abort', stop);
    stop();
  }
}

/** The guest's state now, or undefined where the supervisor cannot be asked, or understood. */
export async function readStatus({ client, facts }: FoundContainer): Promise<Status | undefined> {
  const { exitCode, stdout } = await client.exec(facts.id, FOLLOW.slice(0, 3));
  const read = readStatusText(exitCode === 0 ? stdout : '');
  return read.kind === 'status' ? read.status : undefined;
}

/** Reads lines until a state that is wanted or final: `last`, undefined when they end before; `odd` is what was not understood. */
async function follow(
  found: FoundContainer,
  lines: NodeJS.ReadableStream | null,
  wanted: readonly State[],
  onStatus: OnStatus,
): Promise<{ last?: Status; odd: string }> {
  let odd = '';
  for await (const line of lines ? createInterface({ input: lines }) : []) {
    const read = readStatusText(line);
    if (read.kind === 'newer') {
      odd = `its status has ${read.what}, which this virtainers is too old to know`;
      if (!read.sameFormat) throw tooNew(found, odd);
    } else if (read.kind === 'none') odd = `it answered ${line.slice(0, 200)}`;
    else {
      onStatus(read.status);
      if (wanted.includes(read.status.state) || FINAL[read.status.state]) return { last: read.status, odd };
    }
  }
  return { odd };
}

function tooNew({ facts }: FoundContainer, odd: string): VirtainersError {
  const hint = `install a newer virtainers, or bake the image of ${facts.name} again with this one`;
  return new VirtainersError('COMMAND_FAILED', `asking the supervisor in ${facts.name}: ${odd}`, { hint });
}

function ended(found: FoundContainer, status: Status): Promise<VirtainersError> {
  const code = codeOf(status.exitCode ?? 0) ?? FINAL[status.state] ?? 'CONTAINER_STOPPED';
  const why = status.message ? `: ${status.message}` : '';
  return withLog(found, code, `${found.facts.name} is ${status.state}${why}`);
}

/** The lines ended without a final state: the container did, or it was none of ours. */
async function gone(found: FoundContainer, complaint: string): Promise<VirtainersError> {
  const { client, facts } = found;
  const now = await client.container(facts.id);
  if (!now) return new VirtainersError('CONTAINER_UNKNOWN', `the container ${facts.name} was removed`);
  if (now.running) {
    return withLog(found, 'COMMAND_FAILED', `asking the supervisor in ${facts.name}: ${complaint || 'no answer'}`);
  }
  const code = codeOf(now.exitCode) ?? 'CONTAINER_STOPPED';
  return withLog(found, code, `the container ${facts.name} is not running (exit code ${now.exitCode})`);
}

async function withLog({ client, facts }: FoundContainer, code: ErrorCode, message: string): Promise<VirtainersError> {
  const lines = await client.logTail(facts.id, LOG_LINES).catch(() => []);
  const log = lines.length > 0 ? `\nits last lines:\n${lines.map((line) => `  ${line}`).join('\n')}` : '';
  return new VirtainersError(code, message + log, { hint: `${client.dialect.program} logs ${facts.name}` });
}

/** What a supervisor's exit code says, where it says one thing (design: exit codes). */
function codeOf(exitCode: number): ErrorCode | undefined {
  const codes: Record<number, ErrorCode> = {
    65: 'BASE_MISMATCH',
    69: 'CAPABILITY_MISSING',
    70: 'GUEST_CRASHED',
    71: 'STOP_TIMEOUT',
    73: 'DATA_UNWRITABLE',
    78: 'CONFIG_INVALID',
  };
  const code = codes[exitCode];
  return code && ERRORS[code].exit === exitCode ? code : undefined;
}

async function collect(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = '';
  for await (const chunk of stream ?? []) text = (text + String(chunk)).slice(-2000);
  return text.trim();
}
