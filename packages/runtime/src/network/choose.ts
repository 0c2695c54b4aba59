import { VirtainersError } from '@virtainers/core';
import { bridge } from './bridge.ts';
import { hostBridge } from './host-bridge.ts';
import { chooseInners } from './inner.ts';
import { macvtap } from './macvtap.ts';
import {
  emptyPlan,
  type Mode,
  type ModeName,
  type NetworkAsk,
  type NetworkMeans,
  type NetworkOptions,
  type NetworkPlan,
  type NicInput,
} from './mode.ts';
import { nat } from './nat.ts';
import { passt } from './passt.ts';
import { attachedLinks, hostLinks, linkNamed, withoutOurs } from './select.ts';
import { defaultRoute, type Link, type NetworkSnapshot } from './snapshot.ts';
import { user } from './user.ts';

const none: Mode = {
  name: 'none',
  missing: () => undefined,
  plan: ({ link }) => ({ ...emptyPlan, mode: 'none', link: link.name }),
  changesLink: false,
  standsOn: 'nothing',
  forwardsPorts: false,
  hides: false,
};

/** Every mode. A new one is a file beside this and a row here. */
const MODES: Readonly<Record<ModeName, Mode>> = {
  nat,
  bridge,
  macvtap,
  'host-bridge': hostBridge,
  passt,
  user,
  none,
};

/** What `auto` tries, best first. */
const LADDER: readonly ModeName[] = ['nat', 'passt', 'user'];

export interface NetworkChoice {
  /** `nat`, or one a NIC: `eth0=macvtap eth1=nat`. */
  readonly mode: string;
  /** One sentence: why this, and what would give more. */
  readonly reason: string;
  /** In the guest's order. */
  readonly nics: readonly { readonly link: Link; readonly mode: ModeName }[];
}

export interface NetworkRequest {
  readonly ask: NetworkAsk;
  readonly options: NetworkOptions;
  readonly snapshot: NetworkSnapshot;
  readonly means: NetworkMeans;
}

/**
 * What was asked for, or for `auto` the best mode that the container allows. Throws NETWORK_UNAVAILABLE when what was
 * asked for cannot work, before anything is touched.
 */
export function chooseNetwork(request: NetworkRequest): NetworkChoice {
  const { ask, options } = request;
  if (ask.kind === 'each') return chooseEach(ask.modes, request);
  if (options.attach?.length === 0 && !(ask.kind === 'all' && modeNamed(ask.mode).standsOn === 'bridge')) {
    return { mode: 'none', reason: 'AUTO_ATTACH=no, and no interface in ATTACH_IFACES', nics: [] };
  }
  if (ask.kind === 'auto') return chooseBest(request);
  requireMode(ask.mode, `${ask.by} asks for network mode ${ask.mode}, which`, request, isNamed(request));
  return { mode: ask.mode, reason: `asked for by ${ask.by}`, nics: nicsOf(ask.mode, request) };
}

function chooseBest(request: NetworkRequest): NetworkChoice {
  const lacking = LADDER.map((name) => ({ name, missing: missingFor(name, request, isNamed(request)) }));
  const best = lacking.findIndex(({ missing }) => missing === undefined);
  const mode = lacking[best]?.name ?? 'none';
  const better = lacking.slice(0, Math.max(best, 0)).map(({ name, missing }) => `${name}: ${missing}`);
  const reason = better.length > 0 ? `for ${better.join('; for ')}` : 'the best that there is';
  return { mode, reason, nics: nicsOf(mode, request) };
}

function chooseEach(
  modes: readonly { readonly link: string; readonly mode: ModeName }[],
  request: NetworkRequest,
): NetworkChoice {
  const nics = modes.map(({ link, mode }) => ({ link: linkNamed(request.snapshot, link, 'NETWORK_MODE'), mode }));
  for (const { link, mode } of nics) {
    // For host-bridge the interface is the bridge.
    const options = { ...request.options, bridge: link.name };
    requireMode(mode, `NETWORK_MODE asks for ${link.name}=${mode}, which`, { ...request, options }, true);
  }
  const mode = nics.map((nic) => `${nic.link.name}=${nic.mode}`).join(' ');
  return { mode, reason: 'asked for by NETWORK_MODE', nics };
}

function isNamed({ options }: NetworkRequest): boolean {
  return options.attach !== undefined;
}

function requireMode(name: ModeName, what: string, request: NetworkRequest, named: boolean): void {
  const missing = missingFor(name, request, named);
  if (missing === undefined) return;
  throw new VirtainersError('NETWORK_UNAVAILABLE', `${what} cannot work in this container`, { hint: missing });
}

/** In the machine's own namespace nothing that was not named is ever changed, by any mode. */
function missingFor(name: ModeName, { means, options, snapshot }: NetworkRequest, named: boolean): string | undefined {
  const mode = modeNamed(name);
  if (means.hostNetwork && mode.changesLink && !named) {
    return "the network namespace is the host's, where no interface is touched unless it is named: run without --net=host, or name it (NETWORK_MODE=eth0=nat)";
  }
  return mode.missing(means, options, snapshot);
}

function nicsOf(name: ModeName, { options, snapshot, means }: NetworkRequest): NetworkChoice['nics'] {
  const mode = modeNamed(name);
  if (mode.standsOn === 'nothing') return [];
  if (mode.standsOn === 'bridge') {
    return [{ link: linkNamed(snapshot, options.bridge ?? '', 'BRIDGE_IF'), mode: name }];
  }
  const links =
    means.hostNetwork && options.attach === undefined ? hostLinks(snapshot) : attachedLinks(snapshot, options, mode);
  return links.map((link) => ({ link, mode: name }));
}

export interface PlanInput extends Omit<NetworkRequest, 'ask'> {
  readonly nics: NetworkChoice['nics'];
  /** The guest's own MAC for NIC `index`. */
  readonly macAt: (index: number) => string;
  readonly runFolder: string;
}

/** What is to be done for all NICs. Pure: nothing is touched. */
export function planNetwork({ nics, macAt, snapshot: found, ...rest }: PlanInput): NetworkPlan {
  const { options, means } = rest;
  const snapshot = means.hostNetwork ? found : withoutOurs(found);
  const common = { ...rest, snapshot };
  const inners = chooseInners(options.cidr, nics.length, snapshot);
  const carrier = (defaultRoute(snapshot, 4) ?? defaultRoute(snapshot, 6))?.device;
  const primary = Math.max(
    nics.findIndex(({ link }) => link.name === carrier),
    0,
  );
  const forwarding = nics.findIndex(({ mode }) => modeNamed(mode).forwardsPorts);
  const plans = nics.map(({ link, mode }, index) => {
    const nic: NicInput = {
      ...common,
      index,
      link,
      mac: macAt(index),
      inner: inners.networks[index] ?? inners.networks[0],
      primary: index === primary,
      forwardsPorts: index === forwarding,
    };
    return modeNamed(mode).plan(nic);
  });
  const hidden = nics.some(({ mode }) => modeNamed(mode).hides);
  return { nics: plans, losses: hidden ? inners.losses : [] };
}

function modeNamed(name: ModeName): Mode {
  return MODES[name];
}
