import { createHash } from 'node:crypto';

/** Numbers at random that are the same again for the same seed and name. */
export interface Chance {
  /** Between 0 and `below`, which it never is. */
  whole(below: number): number;
}

export function chanceOf(seed: string, name: string): Chance {
  let turn = 0;
  return {
    whole: (below) => {
      turn += 1;
      const hash = createHash('sha256').update(`${seed} ${name} ${turn}`).digest();
      return hash.readUInt32BE() % below;
    },
  };
}
