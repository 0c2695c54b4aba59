import { diskInUse, type Exec, makeQemuImg, VirtainersError } from '@virtainers/core';
import { asQemu } from '../../container/user.ts';
import { type DiskAsk, diskProblem } from './source.ts';

/**
 * Opens a disk as QEMU's user and by QEMU's code, so that what would end the guest's start ends it here, with the others'
 * problems: tables that are broken, and of a qcow2 another machine's lock; that of a raw one is met by its writers alone, at
 * the start. DATA_IN_USE, DISK_REFUSED.
 */
export async function openAsQemu(
  exec: Exec,
  ask: DiskAsk,
  { path, format, from = path }: { path: string; format: string; from?: string },
): Promise<void> {
  const asUser: Exec = (file, args, options) => {
    const [program, ...words] = asQemu({ ...ask.qemu, asRoot: ask.asRoot }, [file, ...args]);
    return exec(program, words, options);
  };
  await makeQemuImg(asUser)
    .info(path, format, ask.when === 'asking')
    .catch((error: unknown) => {
      if (!(error instanceof VirtainersError)) throw error;
      throw diskInUse(error.message, from) ?? diskProblem('DISK_REFUSED', from, lastLine(error.message));
    });
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() ?? text;
}
