import { dataPaths, type MemoryRecord, putMemoryAside, VirtainersError } from '@virtainers/core';
import { findMemory, type Present, useUp } from '../disk/saved-memory.ts';
import type { Virsh } from '../domain/virsh.ts';
import type { Deps } from './deps.ts';
import { presentMachine } from './memory.ts';
import type { Parts } from './prepare.ts';

/** Memory that an earlier stop saved, if it fits this machine; what does not is put aside, and the log says why. */
export async function savedMemory(deps: Deps, parts: Parts, virsh: Virsh): Promise<MemoryRecord | undefined> {
  const { config, log } = deps;
  let machine: Present | undefined;
  const present = async () => {
    machine = await presentMachine(deps, parts, virsh);
    return machine;
  };
  const found = await findMemory(dataPaths(config.imageDir), present, new Date());
  if (found.kind === 'fits') {
    if (machine?.instanceId !== found.record.instanceId)
      log.info('the seed has changed since the guest was saved: it reaches the guest when it boots');
    return found.record;
  }
  if (found.kind === 'aside') {
    log.warn(`saved memory does not fit and is put aside as ${found.to}; the guest boots`);
    for (const reason of found.because) log.warn(`  ${reason}`);
  }
  return undefined;
}

/**
 * Makes the domain of saved memory. The guest stands still until the memory cannot be resumed a second time: killed before that,
 * the next start resumes it; killed after it, the next start boots from a disk that nobody has written in between or since.
 * False: QEMU would not take it; it is put aside and no domain is there.
 */
export async function resumeGuest(
  { config, log }: Deps,
  virsh: Virsh,
  { savedAt }: Pick<MemoryRecord, 'savedAt'>,
): Promise<boolean> {
  const paths = dataPaths(config.imageDir);
  try {
    await virsh.restore(paths.memory);
  } catch (error) {
    if (!(error instanceof VirtainersError)) throw error;
    const to = await putMemoryAside(paths, new Date());
    log.warn(`saved memory could not be resumed and is put aside as ${to}; the guest boots`);
    log.warn(`  ${error.message}`);
    return false;
  }
  await useUp(paths);
  await virsh.resume();
  log.info(`resumed: the guest goes on where it was saved at ${savedAt}`);
  return true;
}
