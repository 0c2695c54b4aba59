import { createInterface } from 'node:readline';
import { type Answer, type Child, IN_IMAGE, parseAnswer, VirtainersError } from '@virtainers/core';
import type { HostContext } from '../context.ts';
import type { FoundContainer } from '../engine/container.ts';

type Kind = Exclude<Answer['kind'], 'progress' | 'error'>;

/** What a verb of the supervisor gave back; what it holds for us it holds until `end`. */
export interface Answered<K extends Kind> {
  readonly answer: Extract<Answer, { kind: K }>;
  end(): Promise<void>;
}

/**
 * Calls a verb of the supervisor in a running container and waits for its answer. Whatever becomes of this process, the verb
 * hears of it by the end of its input. Throws what the verb could not do; COMMAND_FAILED where the supervisor knows no such verb.
 */
export async function askMachine<K extends Kind>(
  context: HostContext,
  found: FoundContainer,
  words: readonly string[],
  kind: K,
): Promise<Answered<K>> {
  const child = found.client.converse(found.facts.id, ['node', IN_IMAGE.runtime, ...words]);
  const stop = () => child.stdin?.end();
  context.signal?.addEventListener('abort', stop, { once: true });
  const end = async () => {
    context.signal?.removeEventListener('abort', stop);
    stop();
    await child.exited;
  };
  try {
    child.stdin?.on('error', () => undefined);
    return { answer: await listen(found, child, words, kind), end };
  } catch (error) {
    await end();
    context.signal?.throwIfAborted();
    throw error;
  }
}

async function listen<K extends Kind>(
  found: FoundContainer,
  child: Child,
  words: readonly string[],
  kind: K,
): Promise<Extract<Answer, { kind: K }>> {
  let complaint = '';
  child.stderr?.on('data', (chunk) => {
    complaint = (complaint + String(chunk)).slice(-2000);
  });
  const answer = await lastAnswer(child);
  if (answer?.kind === kind) return answer as Extract<Answer, { kind: K }>;
  if (answer?.kind === 'error') {
    throw new VirtainersError(answer.code, `${found.facts.name}: ${answer.message}`, { hint: answer.hint });
  }
  await child.exited;
  throw misunderstood(found, words, complaint.trim());
}

/** The first line that is no news of progress. Listened to beyond it, so that the pipe stays open. */
function lastAnswer(child: Child): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    if (!child.stdout) return resolve(undefined);
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      const answer = parseAnswer(line);
      if (answer && answer.kind !== 'progress') resolve(answer);
    });
    lines.once('close', () => resolve(undefined));
  });
}

function misunderstood(
  { client, facts }: FoundContainer,
  [verb = '']: readonly string[],
  complaint: string,
): VirtainersError {
  const { program } = client.dialect;
  const old = complaint.includes(`${verb}: neither a command`);
  const why = old ? `its supervisor is of an older virtainers, and knows no \`${verb}\`` : complaint || 'no answer';
  return new VirtainersError('COMMAND_FAILED', `asking the supervisor in ${facts.name}: ${why}`, {
    hint: `stop it first: ${program} stop ${facts.name}${old ? '; `virtainers upgrade` makes its image a new one' : ''}`,
  });
}
