import { readdirSync, readFileSync } from 'node:fs';
import { chooseNetwork, type NetworkRequest, planNetwork } from '../network/choose.ts';
import type { ModeName, NetworkAsk, NetworkMeans, NetworkOptions, NetworkPlan } from '../network/mode.ts';
import { type NetworkSnapshot, parseLinks, parseResolver, parseRoutes } from '../network/snapshot.ts';

const folder = new URL('../../../../test/fixtures/networks/', import.meta.url);

/** What test/fixtures/networks/record has recorded. */
export const RECORDED: readonly string[] = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  .sort();

export function recorded(name: string): NetworkSnapshot {
  const { addresses, routes, routes6, resolvConf, hostname } = JSON.parse(
    readFileSync(new URL(`${name}.json`, folder), 'utf8'),
  );
  return {
    links: parseLinks(JSON.stringify(addresses)),
    routes: [...parseRoutes(JSON.stringify(routes), 4), ...parseRoutes(JSON.stringify(routes6), 6)],
    resolver: parseResolver(resolvConf),
    hostname,
  };
}

/** A container that may do everything. */
export const everyMeans: NetworkMeans = {
  root: true,
  netAdmin: true,
  tun: true,
  hostNetwork: false,
  ipv4Forwarding: true,
  ipv6Forwarding: true,
  ipv6Add: '--sysctl net.ipv6.conf.all.forwarding=1',
  macvtapMissing: undefined,
  passtMissing: undefined,
  vhostNet: true,
  uid: 107,
  gid: 107,
  unprivilegedPortStart: 0,
  mayBindLow: true,
};

export const noOptions: NetworkOptions = {
  attach: undefined,
  selectedNetwork: undefined,
  dhcp: true,
  dnsmasqOptions: [],
  dnsServers: [],
  bridge: undefined,
  ports: [{ protocol: 'tcp', port: 22 }],
  cidr: '192.168.100',
};

export function askFor(mode: ModeName): NetworkAsk {
  return { kind: 'all', mode, by: 'NETWORK_MODE' };
}

export interface Situation {
  readonly snapshot: NetworkSnapshot;
  readonly ask: NetworkAsk;
  readonly options?: Partial<NetworkOptions>;
  readonly means?: Partial<NetworkMeans>;
}

export function requestFor({ snapshot, ask, options, means }: Situation): NetworkRequest {
  return { snapshot, ask, options: { ...noOptions, ...options }, means: { ...everyMeans, ...means } };
}

/** Chosen and planned, as the supervisor does it. */
export function planFor(situation: Situation): NetworkPlan {
  const request = requestFor(situation);
  const { nics } = chooseNetwork(request);
  return planNetwork({ ...request, nics, macAt, runFolder: '/run/virtainers' });
}

function macAt(index: number): string {
  return `52:54:00:00:00:${index.toString(16).padStart(2, '0')}`;
}
