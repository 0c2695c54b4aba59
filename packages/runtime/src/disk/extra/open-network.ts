import { type Exec, VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import { diskProblem } from './source.ts';

/** A server that says nothing for so long is not there; Ceph's own programs would wait for 5 minutes. */
const PATIENCE_MS = 20_000;

const info = z.object({ 'virtual-size': z.number() });

/** Opens a disk on the network by QEMU's code, to read, and gives back its size in bytes. DISK_UNAVAILABLE. */
export async function askSize(exec: Exec, uri: string, words: readonly string[]): Promise<number> {
  const format = words.includes('--image-opts') ? [] : ['-f', 'raw'];
  const args = ['info', '--output=json', '-U', ...format, ...words];
  const { stdout } = await exec('qemu-img', args, { timeoutMs: PATIENCE_MS }).catch((error: unknown) => {
    if (!(error instanceof VirtainersError)) throw error;
    throw diskProblem('DISK_UNAVAILABLE', uri, reasonOf(error.message), 'try it from the host, by the same name');
  });
  return info.parse(JSON.parse(stdout))['virtual-size'];
}

function reasonOf(message: string): string {
  if (message.includes('timed out after')) return `nobody answered within ${PATIENCE_MS / 1000} s`;
  const last = message.trimEnd().split('\n').at(-1)?.trim() ?? message;
  return last.replace(/^qemu-img: (?:Could not open '[^']*': )?/, '');
}
