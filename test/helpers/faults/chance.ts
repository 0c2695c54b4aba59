import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

/** Numbers at random that are the same again for the same seed and name. */
export interface Chance {
  /** Between 0 and `below`, which it never is. */
  whole(below: number): number;
  /** A random moment later, less than so many ms. */
  moment(below: number): Promise<void>;
}

export function chanceOf(seed: string, name: string): Chance {
  let turn = 0;
  const whole = (below: number) => {
    turn += 1;
    const hash = createHash('sha256').update(`${seed} ${name} ${turn}`).digest();
    return hash.readUInt32BE() % below;
  };
  return { whole, moment: (below) => delay(whole(below)) };
}
