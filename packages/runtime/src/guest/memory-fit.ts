import { createHash } from 'node:crypto';

/** What a guest's memory depends on, by its name for people. */
export type MemoryFacts = Readonly<Record<string, string>>;

/** Every fact in which the two differ, with both values; empty: the memory may be resumed. `how` it came to lie there. */
export function memoryDifferences(then: MemoryFacts, now: MemoryFacts, how: 'kept' | 'saved'): string[] {
  const names = [...new Set([...Object.keys(then), ...Object.keys(now)])];
  return names
    .filter((name) => then[name] !== now[name])
    .map((name) => memoryDiffers(name, then[name], now[name], how));
}

export function memoryDiffers(
  name: string,
  then: string | undefined,
  now: string | undefined,
  how: 'kept' | 'saved',
): string {
  return `${name}: ${how} with ${then ?? 'none'}, now ${now ?? 'none'}`;
}

/** This machine's CPU, as a guest under KVM sees it: its model, and its features in short. `cpuinfo`: the text of /proc/cpuinfo. */
export function hostCpu(cpuinfo: string): string {
  const field = (name: RegExp) => name.exec(cpuinfo)?.[1]?.trim() ?? '';
  const features = field(/^(?:flags|Features)\s*:(.*)$/m)
    .split(' ')
    .sort()
    .join(' ');
  const model = field(/^(?:model name|CPU part)\s*:(.*)$/m) || 'unknown';
  return `${model}, features ${createHash('sha256').update(features).digest('hex').slice(0, 12)}`;
}
