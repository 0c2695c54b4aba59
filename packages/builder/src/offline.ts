import { VirtainersError } from '@virtainers/core';
import type { BuildContext } from './context.ts';

/** OFFLINE, where nothing is to be asked from the network: `what` is needed from there. */
export function requireNetwork(
  { offline }: Pick<BuildContext, 'offline'>,
  what: string,
  hint = 'bake it once without --offline: what it needs is kept',
): void {
  if (offline)
    throw new VirtainersError('OFFLINE', `${what}: it is not in the cache, and --offline fetches nothing`, { hint });
}
