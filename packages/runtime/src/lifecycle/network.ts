import { readSocketFacts } from '../container/sockets.ts';
import type { GuestNic } from '../guest/nic.ts';
import type { Port } from '../guest/port.ts';
import { recoverNetwork } from '../network/apply.ts';
import { chooseNetwork, type NetworkChoice, planNetwork } from '../network/choose.ts';
import type { ModeName, NetworkPlan, NicPlan } from '../network/mode.ts';
import { probeMacvtap } from '../network/probe-macvtap.ts';
import { probePasst } from '../network/probe-passt.ts';
import { type NetworkSnapshot, readSnapshot } from '../network/snapshot.ts';
import type { Deps } from './deps.ts';
import { networkMeans } from './preflight.ts';

/**
 * The network with its interfaces as the engine made them, where an earlier life of this container was killed and the
 * namespace is still the same (a pod). By now the data folder is locked: whoever used it before is gone.
 */
export async function givenBack(
  { exec, facts, log }: Pick<Deps, 'exec' | 'facts' | 'log'>,
  snapshot: NetworkSnapshot,
): Promise<NetworkSnapshot> {
  const links = facts.hostNetwork ? [] : await recoverNetwork(exec, snapshot);
  if (links.length === 0) return snapshot;
  log.info(`${links.join(', ')}: given back by the guest of a life that was killed`);
  return readSnapshot(exec, snapshot.hostname);
}

/**
 * Chooses the modes and plans them; touches nothing. passt and macvtap are tried where they would be chosen. `asking`:
 * perhaps beside a machine that runs, whose own ports are no obstacle to it.
 */
export async function planGuestNetwork(
  { config, facts, driver, exec }: Pick<Deps, 'config' | 'facts' | 'driver' | 'exec'>,
  snapshot: NetworkSnapshot,
  macAt: (index: number) => string,
  when: 'starting' | 'asking',
): Promise<{ choice: NetworkChoice; plan: NetworkPlan }> {
  const { ask, options } = config.network;
  const { portsInUse, mayPing } = await readSocketFacts(driver.gid);
  const seen = { mayPing, portsInUse: when === 'starting' ? portsInUse : undefined };
  const hopes = { ask, options, snapshot, means: { ...networkMeans(facts, driver), ...seen } };
  const hoped = chooseNetwork(hopes);
  const wants = (name: ModeName) => hoped.nics.some(({ mode }) => mode === name);
  const passtMissing = wants('passt') ? await probePasst(exec, { ...driver, asRoot: facts.uid === 0 }) : undefined;
  const macvtapMissing = wants('macvtap') ? await probeMacvtap(exec) : undefined;
  const means = { ...hopes.means, passtMissing, macvtapMissing };
  const choice = (passtMissing ?? macvtapMissing) === undefined ? hoped : chooseNetwork({ ...hopes, means });
  const plan = planNetwork({ nics: choice.nics, options, snapshot, means, macAt, runFolder: driver.runFolder });
  return { choice, plan };
}

/** Where the supervisor knocks to see whether the guest answers: its first TCP port. */
export function firstDoor({ nics }: NetworkPlan, ports: readonly Port[]) {
  const port = ports.find(({ protocol }) => protocol === 'tcp')?.port ?? 22;
  const host = guestAddressOf(nics);
  if (host !== undefined) return { host, port, needsData: false };
  const forward = forwardsOf(nics).find(({ protocol }) => protocol === 'tcp');
  return forward && { host: '127.0.0.1', port: forward.qemuPort, needsData: true };
}

/** As status.json tells it. */
export function networkStatus(choice: NetworkChoice, { nics }: NetworkPlan) {
  const guestAddress = guestAddressOf(nics);
  return {
    mode: choice.mode,
    reason: choice.reason,
    addresses: [...new Set(nics.flatMap(({ addresses }) => addresses))],
    ...(guestAddress === undefined ? {} : { guestAddress }),
    nics: nics.map((nic) => ({
      link: nic.link,
      mode: nic.mode,
      ...(nic.interface ? { mac: nic.interface.mac } : {}),
      addresses: [...nic.addresses],
      ...(nic.guestAddress === undefined ? {} : { guestAddress: nic.guestAddress }),
    })),
    ports: forwardsOf(nics).map(({ protocol, port, qemuPort, way }) => ({
      protocol,
      container: way === 'inside' ? qemuPort : port,
      guest: port,
    })),
  };
}

/** The first address under which the container itself reaches the guest. */
function guestAddressOf(nics: readonly NicPlan[]): string | undefined {
  return nics.find(({ guestAddress }) => guestAddress !== undefined)?.guestAddress;
}

export function forwardsOf(nics: readonly NicPlan[]) {
  return nics.flatMap(({ forwards }) => forwards);
}

/**
 * What the seed's network-config says; undefined where one NIC and DHCP are all that the guest has to know: every cloud
 * image tries that by itself, and nobody meddles with it.
 */
export function guestNetwork({ nics }: NetworkPlan): readonly GuestNic[] | undefined {
  const guests = nics.flatMap(({ guest }) => guest ?? []);
  return guests.length > 1 || guests.some((guest) => !isPlain(guest)) ? guests : undefined;
}

function isPlain({ dhcp6, mtu, addresses, routes, search }: GuestNic): boolean {
  return !dhcp6 && mtu === undefined && [addresses, routes, search].every(({ length }) => length === 0);
}
