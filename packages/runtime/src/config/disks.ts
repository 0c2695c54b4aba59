import { type NetworkDisk, parseNetworkDisk, withoutSecrets } from '@virtainers/core';
import type { Reader } from './reader.ts';

/** DISKS: disks on the network, parted by spaces, in the guest's order. Each one that is none is a problem of its own. */
export function readDisks(reader: Reader): NetworkDisk[] {
  const words = (reader.text('DISKS') ?? '').split(/\s+/).filter(Boolean);
  return words.flatMap((word) => {
    const disk = parseNetworkDisk(word);
    if (typeof disk !== 'string') return [disk];
    reader.problem('DISKS', `${JSON.stringify(withoutSecrets(word).slice(0, 200))}: ${disk}`);
    return [];
  });
}
