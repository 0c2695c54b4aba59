import { docker } from './docker.ts';
import type { NetworkFacts } from './network.ts';
import { podman } from './podman.ts';

export type EngineName = 'docker' | 'podman';

/** What an engine says of itself. */
export interface EngineInfo {
  readonly version: string;
  readonly rootless: boolean;
  /** SELinux confines its containers: they may not read what is mounted from a home folder. */
  readonly selinux: boolean;
  /** The kernel that its containers run on. */
  readonly kernel: string;
  /** It can be told what a container's interfaces are called; otherwise their order is its own. */
  readonly namesInterfaces: boolean;
}

/** Several networks for one container, the first of them the primary one. */
export interface Attachment {
  readonly networks: readonly string[];
  /** Fixed addresses on the first network, at most one of each family. */
  readonly addresses: readonly string[];
}

/** How a container comes to several networks: flags of `run`, and networks that it is connected to before it starts. */
export interface AttachmentWords {
  readonly flags: readonly string[];
  readonly connect: readonly string[];
}

/** What differs between engines, as data and pure functions; what they share is in client.ts and run-plan.ts. */
export interface EngineDialect {
  readonly name: EngineName;
  readonly program: string;
  readonly infoArgs: readonly string[];
  /** Undefined: what answered is not this engine, or nothing stands behind the program. */
  parseInfo(stdout: string): EngineInfo | undefined;
  /** What to do when it does not answer. */
  readonly remedy: string;
  /** What a baked image of the catalogue is called in its store, the likeliest first: `debian:13` -> `virtainers/debian:13`. */
  localReferences(name: string): readonly [string, ...string[]];
  /** What only this engine needs to be told at `run`, where the container has a network of its own. */
  readonly networkFlags: readonly string[];
  /** Parses what `network inspect` prints. Throws where it is not that. */
  parseNetworks(json: unknown): NetworkFacts[];
  /** For more than one network; for one, engines are alike. */
  attach(attachment: Attachment, info: EngineInfo): AttachmentWords;
  /** What `network create` needs for a bridge in the middle of the LAN that this machine is in; undefined: it makes none. */
  externalFlags(info: EngineInfo): readonly string[] | undefined;
}

/** In the order in which they are tried. */
export const ENGINES: readonly EngineDialect[] = [docker, podman];

export const ENGINE_NAMES: readonly EngineName[] = ENGINES.map((dialect) => dialect.name);
