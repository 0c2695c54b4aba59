import { formatPrefix, VirtainersError } from '@virtainers/core';
import type { HostContext } from '../context.ts';
import { type EngineClient, makeClient } from '../engine/client.ts';
import { ENGINE_NAMES, type EngineName } from '../engine/engine.ts';
import { askEngines, type Engine, findEngines } from '../engine/find.ts';
import type { NetworkFacts } from '../engine/network.ts';
import { networkNotes, nextSteps, type Step } from './advice.ts';
import { readHostNetworks } from './host.ts';
import { type NetworkFindings, type NetworkPlan, planNetwork } from './plan.ts';
import type { EngineNetworks } from './uses.ts';
import { type NetworkWords, readWish } from './wish.ts';

export interface NetworkRequest extends NetworkWords {
  readonly engine?: EngineName | undefined;
}

export interface CreatedNetwork {
  readonly engine: EngineName;
  readonly plan: NetworkPlan;
  /** What a person should know, a sentence each. */
  readonly notes: readonly string[];
  /** What is left for them to do. */
  readonly steps: readonly Step[];
}

/**
 * Makes a network in the first engine that answers, or in the one asked for. Refuses one whose addresses are in use here.
 * Changes nothing of this machine's own network.
 */
export async function createNetwork(context: HostContext, request: NetworkRequest): Promise<CreatedNetwork> {
  const wish = readWish(request);
  const [engine] = (await findEngines(context, request.engine)) as [Engine, ...Engine[]];
  const client = makeClient(context, engine);
  const networks = await client.networks();
  refuseExisting(client, networks, wish.name);
  const findings = await lookAround(context, client, networks);
  const plan = planNetwork(wish, findings);
  await client.createNetwork(plan.args);
  return {
    engine: client.dialect.name,
    plan,
    notes: networkNotes(wish, plan, findings),
    steps: nextSteps(wish, plan, findings),
  };
}

/** What else may have the addresses. An engine elsewhere shares none of this machine's. */
async function lookAround(
  context: HostContext,
  client: EngineClient,
  networks: readonly NetworkFacts[],
): Promise<NetworkFindings> {
  const own = { engine: client.dialect.name, networks };
  if (!isLocal(context, client)) return { engine: client, host: undefined, engines: [own] };
  const [host, others] = await Promise.all([readHostNetworks(context.exec), neighbours(context, own.engine)]);
  return { engine: client, host, engines: [own, ...others] };
}

/** Engines whose bridges come up on this machine beside the chosen one's. Nobody asked for them: one that fails is left out. */
async function neighbours(context: HostContext, chosen: EngineName): Promise<EngineNetworks[]> {
  const names = ENGINE_NAMES.filter((name) => name !== chosen);
  const answers = (await Promise.all(names.map((name) => askEngines(context, name)))).flat();
  const engines = answers.flatMap(({ engine }) => engine ?? []);
  const sharing = engines.filter((engine) => isLocal(context, engine) && !engine.info.rootless);
  return Promise.all(sharing.map((engine) => networksOf(context, engine)));
}

async function networksOf(context: HostContext, engine: Engine): Promise<EngineNetworks> {
  const { name } = engine.dialect;
  try {
    return { engine: name, networks: await makeClient(context, engine).networks() };
  } catch {
    context.log.warn(`the networks of ${name} cannot be read; this one may overlap them`);
    return { engine: name, networks: [] };
  }
}

function isLocal(context: HostContext, { info }: Engine): boolean {
  return info.kernel === context.kernel;
}

function refuseExisting({ dialect }: EngineClient, networks: readonly NetworkFacts[], name: string): void {
  const same = networks.find((network) => network.name === name);
  if (!same) return;
  const subnets = same.subnets.map(({ prefix }) => formatPrefix(prefix)).join(' and ') || 'no subnet';
  const message = `${dialect.name} has a network ${name} already: ${same.driver}, ${subnets}`;
  throw new VirtainersError('NETWORK_EXISTS', message, {
    hint: `use it (virtainers run IMAGE --network ${name}), or remove it (${dialect.program} network rm ${name})`,
  });
}
