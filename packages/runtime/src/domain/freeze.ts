import type { Spawn } from '@virtainers/core';
import type { Virsh } from './virsh.ts';

/** An agent that has not frozen by then is not waited for. */
const FREEZE_MS = 5_000;
/** Nobody's file systems stand still for longer. */
const LIMIT_SECONDS = 10;

/** Waits for the end of its input, or of its patience, and then runs the words behind. */
const GUARD = 'timeout "$1" cat > /dev/null; shift; exec "$@" > /dev/null 2>&1';

/**
 * Does `use` while the guest's file systems are frozen, where its agent can do that. They are thawed by a program that waits for
 * the end of this one, however it ends, and for no longer than ten seconds: a guest that stays frozen is a guest that is lost.
 */
export async function whileFrozen<T>(
  spawn: Spawn,
  virsh: Pick<Virsh, 'freeze' | 'thaw'>,
  use: () => Promise<T>,
): Promise<{ readonly frozen: boolean; readonly result: T }> {
  const guard = spawn('sh', ['-c', GUARD, 'thaw', String(LIMIT_SECONDS), ...virsh.thaw], {
    stdin: 'pipe',
    stdout: 'ignore',
    stderr: 'ignore',
    detached: true,
  });
  guard.stdin?.on('error', () => undefined);
  try {
    const frozen = await virsh.freeze(FREEZE_MS);
    return { frozen, result: await use() };
  } finally {
    guard.stdin?.end();
    await guard.exited;
  }
}
