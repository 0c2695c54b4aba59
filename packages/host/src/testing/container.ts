import type { ContainerFacts } from '../engine/facts.ts';

/** A container that runs and has no more than it must. */
export function containerOf(changes: Partial<ContainerFacts>): ContainerFacts {
  return {
    id: 'abc123',
    name: 'box',
    hostname: 'box',
    running: true,
    exitCode: 0,
    image: 'sha256:1',
    environment: {},
    labels: {},
    networkMode: 'default',
    addresses: [],
    published: {},
    mounts: {},
    ...changes,
  };
}
