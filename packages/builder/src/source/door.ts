import type { BuildContext } from '../context.ts';
import { type Door, makeDoor } from './http.ts';

const doors = new WeakMap<BuildContext['env'], Door>();

/** One door for each environment: connections are kept open and used again. */
export function doorOf({ env }: Pick<BuildContext, 'env'>): Door {
  const known = doors.get(env);
  if (known) return known;
  const door = makeDoor(env);
  doors.set(env, door);
  return door;
}
