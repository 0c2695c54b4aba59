import { VirtainersError } from '@virtainers/core';
import { type NetworkInput, type NetworkPlan, noPlan } from './mode.ts';
import { planNat } from './nat.ts';
import { planUser } from './user.ts';

/** What a choice depends on. */
export interface NetworkMeans {
  readonly netAdmin: boolean;
  readonly tun: boolean;
  readonly hostNetwork: boolean;
  readonly ipv4Forwarding: boolean;
  /** Root in the container: a mode that makes devices needs it. */
  readonly root: boolean;
}

export interface NetworkChoice {
  readonly mode: string;
  /** One sentence: why this one, and what would give more. */
  readonly reason: string;
}

interface Mode {
  readonly name: string;
  /** What is missing for it, with what to add; undefined when it can work. */
  readonly missing: (means: NetworkMeans) => string | undefined;
  readonly plan: (input: NetworkInput) => NetworkPlan;
}

/** The modes, best first: what `auto` tries in order (`none` is only ever asked for). */
const MODES: readonly Mode[] = [
  { name: 'nat', missing: missingForNat, plan: planNat },
  { name: 'user', missing: () => undefined, plan: planUser },
  { name: 'none', missing: () => undefined, plan: () => ({ ...noPlan, mode: 'none' }) },
];

function missingForNat(means: NetworkMeans): string | undefined {
  if (means.hostNetwork) return "the network namespace is the host's, which is never touched: run without --net=host";
  if (!means.root) return 'it needs root in the container: run without --user';
  const add = [...(means.netAdmin ? [] : ['--cap-add NET_ADMIN']), ...(means.tun ? [] : ['--device /dev/net/tun'])];
  if (add.length > 0) return `add ${add.join(' ')}`;
  if (!means.ipv4Forwarding) return 'add --sysctl net.ipv4.ip_forward=1';
  return undefined;
}

/** The asked mode, or for `auto` the best one the container allows. Throws NETWORK_UNAVAILABLE when what was asked for cannot work. */
export function chooseNetwork(asked: string, means: NetworkMeans): NetworkChoice {
  if (asked === 'auto') {
    const [best] = MODES.filter(({ missing }) => missing(means) === undefined);
    const better = MODES.slice(0, best ? MODES.indexOf(best) : 0).map(
      ({ name, missing }) => `${name}: ${missing(means)}`,
    );
    return {
      mode: best?.name ?? 'none',
      reason: better.length > 0 ? `for ${better.join('; for ')}` : 'the best that there is',
    };
  }
  const missing = modeNamed(asked).missing(means);
  if (missing !== undefined) {
    throw new VirtainersError('NETWORK_UNAVAILABLE', `NETWORK_MODE=${asked} cannot work in this container`, {
      hint: missing,
    });
  }
  return { mode: asked, reason: 'asked for by NETWORK_MODE' };
}

export function planNetwork(mode: string, input: NetworkInput): NetworkPlan {
  return modeNamed(mode).plan(input);
}

function modeNamed(name: string): Mode {
  const mode = MODES.find((each) => each.name === name);
  if (!mode) throw new Error(`no network mode ${name}`);
  return mode;
}
