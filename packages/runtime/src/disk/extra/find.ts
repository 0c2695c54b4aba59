import { diskSerial, type Exec, VirtainersError } from '@virtainers/core';
import type { ExtraDisk } from '../../guest/disk.ts';
import { deviceDisks } from './devices.ts';
import { fileDisks } from './files.ts';
import { networkDisks } from './network.ts';
import type { DiskAsk, DiskCandidate, DiskSource } from './source.ts';

/** In the order in which the guest gets their disks. */
const SOURCES: readonly DiskSource[] = [fileDisks, deviceDisks, networkDisks];

/**
 * Every disk that the container was given beside the machine's own, checked before QEMU opens any; nothing is written. All
 * problems at once: DISK_REFUSED, DATA_UNWRITABLE, DATA_IN_USE, DISK_UNAVAILABLE where all are of that kind, otherwise CONFIG_INVALID.
 */
export async function findExtraDisks(exec: Exec, ask: DiskAsk): Promise<ExtraDisk[]> {
  const candidates = (await Promise.all(SOURCES.map((source) => source(exec, ask)))).flat();
  const results = await Promise.allSettled(candidates.map((candidate) => candidate.examine()));
  const problems = [
    ...sameNames(candidates),
    ...results.flatMap((result) => (result.status === 'rejected' ? [expected(result.reason)] : [])),
  ];
  if (problems.length > 0) throw together(problems);
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

/** In the guest they would have one name. */
function sameNames(candidates: readonly DiskCandidate[]): VirtainersError[] {
  const serials = candidates.map(({ name }) => diskSerial(name));
  return [...new Set(serials)].flatMap((serial) => {
    const same = candidates.filter((_, index) => serials[index] === serial).map(({ from }) => from);
    if (same.length < 2) return [];
    const hint = 'give each a name of its own';
    return [new VirtainersError('CONFIG_INVALID', `${same.join(' and ')} would both be called ${serial}`, { hint })];
  });
}

function expected(reason: unknown): VirtainersError {
  if (reason instanceof VirtainersError) return reason;
  throw reason;
}

/** One error of several. */
function together(problems: readonly VirtainersError[]): VirtainersError {
  const [first, ...others] = problems as [VirtainersError, ...VirtainersError[]];
  if (others.length === 0) return first;
  const code = others.every((other) => other.code === first.code) ? first.code : 'CONFIG_INVALID';
  const lines = problems.map(({ message, hint }) => `  ${message}${hint === undefined ? '' : ` (${hint})`}`);
  return new VirtainersError(code, `looking at the disks beside the machine's own:\n${lines.join('\n')}`);
}
