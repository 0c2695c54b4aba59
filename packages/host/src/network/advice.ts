import { formatAddress, formatPrefix } from '@virtainers/core';
import { lanAround, routerOf } from './lan.ts';
import type { NetworkFindings, NetworkPlan } from './plan.ts';
import type { NetworkWish } from './wish.ts';

/** A command for a person to run, and what it is for. */
export interface Step {
  readonly meaning: string;
  readonly command: string;
}

/** What is left to a person: routes and firewalls are theirs. Only a bridge in the LAN needs any. */
export function nextSteps(wish: NetworkWish, plan: NetworkPlan, { engine, host }: NetworkFindings): Step[] {
  const [subnet] = plan.subnets;
  const link = subnet && host ? lanAround(subnet.prefix, host)?.name : undefined;
  if (!wish.external || plan.driver !== 'bridge' || !subnet || !link) return [];
  const [prefix, gateway] = [formatPrefix(subnet.prefix), formatAddress(subnet.gateway)];
  const guarded = engine.dialect.externalFlags(engine.info)?.length === 0;
  const firewall = `iptables -I DOCKER-USER -i ${link} -d ${prefix} -j ACCEPT`;
  return [
    ...(guarded ? [{ meaning: "let the LAN through Docker's firewall, on this machine", command: firewall }] : []),
    {
      meaning: 'show the LAN the way: on its router, or on each machine that is to reach the guests',
      command: `ip route add ${prefix} via ${gateway}`,
    },
    {
      meaning: `or answer for the guests on ${link}, on this machine, instead of that route`,
      command: `sysctl -w net.ipv4.conf.${link.replaceAll('.', '/')}.proxy_arp=1`,
    },
  ];
}

/** What a person should know of a network that was made, a sentence each. */
export function networkNotes(wish: NetworkWish, plan: NetworkPlan, { engine, host }: NetworkFindings): string[] {
  const { program } = engine.dialect;
  const elsewhere = `${program} runs containers on another machine: its own addresses and routes were not looked at`;
  return [
    ...(host ? [] : [elsewhere]),
    ...(plan.driver === 'macvlan' ? macvlanNotes(plan, { engine, host }) : []),
    ...(wish.external
      ? ['guests on it are open to the LAN; take their addresses out of what its DHCP server gives']
      : []),
  ];
}

function macvlanNotes(
  { parent = '', subnets }: NetworkPlan,
  { engine, host }: Pick<NetworkFindings, 'engine' | 'host'>,
): string[] {
  const { program } = engine.dialect;
  const whole = subnets.filter(({ range }) => range === undefined);
  const guessed = subnets.filter(({ prefix }) => prefix.family === 4 && host && !routerOf(parent, prefix, host));
  return [
    'this machine itself cannot reach guests on a macvlan network; others on the LAN can, and so can `virtainers ssh`',
    ...whole.map(
      ({ prefix }) =>
        `${program} may give a guest any address of ${formatPrefix(prefix)}, in use or not; --ip-range keeps it to a part`,
    ),
    ...guessed.map(({ gateway }) => `${parent} has no default route: is ${formatAddress(gateway)} its gateway?`),
  ];
}
