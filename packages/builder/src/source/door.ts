import type { BuildContext } from '../context.ts';
import { type Door, makeDoor, type Way } from './http.ts';

const doors = new WeakMap<BuildContext['env'], Promise<Door>>();

/** How a context's servers are reached and waited for. */
export function wayOf(ctx: Pick<BuildContext, 'env' | 'signal' | 'patience' | 'offline'>): Way {
  return { ...ctx.patience, door: () => doorOf(ctx), offline: ctx.offline, signal: ctx.signal };
}

/** One door for each environment: connections are kept open and used again. */
function doorOf({ env }: Pick<BuildContext, 'env'>): Promise<Door> {
  const known = doors.get(env);
  if (known) return known;
  const door = makeDoor(env);
  doors.set(env, door);
  return door;
}
