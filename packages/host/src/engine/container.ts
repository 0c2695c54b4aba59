import { VirtainersError } from '@virtainers/core';
import type { HostContext } from '../context.ts';
import { type EngineClient, makeClient } from './client.ts';
import type { EngineName } from './engine.ts';
import type { ContainerFacts } from './facts.ts';
import { findEngines } from './find.ts';

/** A container and the engine that has it. */
export interface FoundContainer {
  readonly client: EngineClient;
  readonly facts: ContainerFacts;
}

/** The first engine that has a virtainer of that name. Throws CONTAINER_UNKNOWN, also for a container that is none. */
export async function findContainer(context: HostContext, name: string, wanted?: EngineName): Promise<FoundContainer> {
  refuseOption(name);
  const clients = (await findEngines(context, wanted)).map((engine) => makeClient(context, engine));
  for (const client of clients) {
    const facts = await client.container(name);
    if (facts) return checkKind({ client, facts });
  }
  const asked = clients.map(({ dialect }) => dialect.name).join(' and ');
  throw new VirtainersError('CONTAINER_UNKNOWN', `no container is called ${name}; asked ${asked}`, {
    hint: `\`${clients[0]?.dialect.program} ps --all\` lists them`,
  });
}

function checkKind(found: FoundContainer): FoundContainer {
  if (found.facts.labels['io.virtainers.name'] !== undefined) return found;
  throw new VirtainersError('CONTAINER_UNKNOWN', `the container ${found.facts.name} is not a virtainer`, {
    hint: 'its image carries no label io.virtainers.name; `virtainers run` starts virtual machines',
  });
}

/** A name from outside must not become an option of the engine's command. */
function refuseOption(name: string): void {
  if (/^[a-zA-Z0-9][\w.-]*$/.test(name)) return;
  throw new VirtainersError('ARGUMENTS_BAD', `${JSON.stringify(name)} cannot be a container's name`);
}
