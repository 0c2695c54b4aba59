import { type Exec, IN_IMAGE, VirtainersError } from '@virtainers/core';
import { asQemu, type QemuUser } from '../container/user.ts';

const LIMIT_MS = 2000;

/**
 * Runs passt as QEMU's user, as libvirt will: why it cannot, or undefined. Its connection is our end of its stdin, which
 * is closed already, so that it sets up its sandbox, finds that nobody is there, and ends.
 */
export async function probePasst(exec: Exec, user: QemuUser): Promise<string | undefined> {
  const [file, ...args] = asQemu(user, [`${IN_IMAGE.bin}/passt`, '--foreground', '--one-off', '--fd', '3']);
  try {
    const { exitCode, stderr } = await exec(file, args, { input: '', timeoutMs: LIMIT_MS, allowFailure: true });
    return exitCode === 0 ? undefined : explain(stderr, exitCode);
  } catch (error) {
    if (!(error instanceof VirtainersError)) throw error;
    return `it did not start within ${LIMIT_MS / 1000} s`;
  }
}

function explain(stderr: string, exitCode: number): string {
  const said = stderr.trim().split('\n').at(-1)?.slice(0, 200) || `it ended with ${exitCode}`;
  if (!said.includes('namespace')) return said;
  return `its sandbox is not allowed (${said}); add --security-opt seccomp=unconfined`;
}
