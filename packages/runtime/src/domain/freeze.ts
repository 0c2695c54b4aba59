import type { Spawn } from '@virtainers/core';
import type { Virsh } from './virsh.ts';

/** An agent that has not frozen by then is not waited for. */
const FREEZE_MS = 5_000;
/** Nobody's file systems stand still for longer. */
const LIMIT_SECONDS = 10;

/**
 * Waits for the end of its input, or of its patience, and then thaws until that is done or the domain is gone: a freeze that libvirt was
 * asked for goes on without the one who asked, and a thaw that comes before its end fails. In between it waits for news of the
 * agent. With a word on its input it tries once.
 */
const GUARD = `once=$(timeout "$1" cat); domain=$2; shift 2; exec > /dev/null 2>&1
until "$@" domfsthaw "$domain"; do
  test -z "$once" || exit
  "$@" domstate "$domain" || exit
  "$@" event --domain "$domain" --event agent-lifecycle --timeout 10
done`;

/**
 * Does `use` while the guest's file systems are frozen, where its agent can do that. They are thawed by a program that waits for
 * the end of this one, however it ends, and for no longer than ten seconds: a guest that stays frozen is a guest that is lost.
 */
export async function whileFrozen<T>(
  spawn: Spawn,
  virsh: Pick<Virsh, 'freeze' | 'words'>,
  use: () => Promise<T>,
): Promise<{ readonly frozen: boolean; readonly result: T }> {
  const { domain, env, command } = virsh.words;
  const guard = spawn('sh', ['-c', GUARD, 'thaw', String(LIMIT_SECONDS), domain, ...command], {
    ...{ env, detached: true },
    ...{ stdin: 'pipe', stdout: 'ignore', stderr: 'ignore' },
  });
  guard.stdin?.on('error', () => undefined);
  const began = performance.now();
  // Who has not answered in time may freeze later; who said no has frozen nothing.
  let answer: 'frozen' | 'no' | 'none' = 'none';
  try {
    const frozen = await virsh.freeze(FREEZE_MS);
    if (frozen) answer = 'frozen';
    else if (performance.now() - began < FREEZE_MS) answer = 'no';
    return { frozen, result: await use() };
  } finally {
    guard.stdin?.end(answer === 'no' ? 'once' : '');
    // Without an answer the thaw may take as long as the agent likes: the guard sees to it alone.
    if (answer !== 'none') await guard.exited;
  }
}
