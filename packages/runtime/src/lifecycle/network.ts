import { chooseNetwork, type NetworkChoice, planNetwork } from '../network/choose.ts';
import type { NetworkPlan } from '../network/mode.ts';
import type { NetworkSnapshot } from '../network/snapshot.ts';
import type { Deps } from './deps.ts';
import { networkMeans } from './preflight.ts';

/** Chooses the mode and plans it; touches nothing. */
export function planGuestNetwork(
  { config, facts, driver }: Pick<Deps, 'config' | 'facts' | 'driver'>,
  snapshot: NetworkSnapshot,
  macAt: (index: number) => string,
): { choice: NetworkChoice; plan: NetworkPlan } {
  const choice = chooseNetwork(config.networkMode, networkMeans(facts));
  const plan = planNetwork(choice.mode, {
    snapshot,
    cidr: config.cidr,
    macAt,
    ports: config.ports,
    uid: driver.uid,
    gid: driver.gid,
    runFolder: driver.runFolder,
    unprivilegedPortStart: facts.unprivilegedPortStart,
    mayBindLow: facts.capabilities.has('NET_BIND_SERVICE'),
  });
  return { choice, plan };
}

/** Where the supervisor knocks to see whether the guest answers: its first TCP port. */
export function firstDoor(plan: NetworkPlan, ports: readonly { protocol: 'tcp' | 'udp'; port: number }[]) {
  if (plan.mode === 'nat' && plan.guestAddress) {
    const port = ports.find(({ protocol }) => protocol === 'tcp')?.port ?? 22;
    return { host: plan.guestAddress, port, needsData: false };
  }
  const forward = plan.forwards.find(({ protocol }) => protocol === 'tcp');
  return forward && { host: '127.0.0.1', port: forward.qemuPort, needsData: true };
}

/** As status.json tells it. */
export function networkStatus(choice: NetworkChoice, plan: NetworkPlan) {
  return {
    mode: choice.mode,
    reason: choice.reason,
    addresses: [...plan.addresses],
    ...(plan.guestAddress === undefined ? {} : { guestAddress: plan.guestAddress }),
    ports: plan.forwards.map(({ protocol, port, qemuPort, way }) => ({
      protocol,
      container: way === 'inside' ? qemuPort : port,
      guest: port,
    })),
  };
}
