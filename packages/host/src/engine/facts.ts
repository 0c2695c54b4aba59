import { type Digest, isDigest } from '@virtainers/core';
import { z } from 'zod';

/** What we rely on of `inspect --type container`; Docker's and Podman's are alike here. */
const container = z.object({
  Id: z.string().regex(/^[0-9a-f]{12,64}$/),
  Name: z.string(),
  State: z.object({ Status: z.string(), Running: z.boolean(), ExitCode: z.number() }),
  /** The image's id. */
  Image: z.string(),
  Config: z.object({
    Hostname: z.string().nullish(),
    Labels: z.record(z.string(), z.string()).nullish(),
    Env: z.array(z.string()).nullish(),
  }),
  HostConfig: z.object({ NetworkMode: z.string().optional() }),
  Mounts: z.array(z.object({ Source: z.string().optional(), Destination: z.string() })).nullish(),
  NetworkSettings: z.object({
    IPAddress: z.string().nullish(),
    Ports: z.record(z.string(), z.array(z.object({ HostIp: z.string(), HostPort: z.string() })).nullable()).nullish(),
    Networks: z.record(z.string(), z.object({ IPAddress: z.string().nullish() })).nullish(),
  }),
});

const image = z.object({
  Id: z.string(),
  RepoDigests: z.array(z.string()).nullish(),
  RootFS: z.object({ Layers: z.array(z.custom<Digest>(isDigest)).nullish() }).nullish(),
  Config: z.object({ Labels: z.record(z.string(), z.string()).nullish() }).nullish(),
});

/** One container, in our words. */
export interface ContainerFacts {
  readonly id: string;
  readonly name: string;
  /** What it is called inside. */
  readonly hostname: string;
  readonly running: boolean;
  readonly exitCode: number;
  /** Id of its image. */
  readonly image: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** `host`, `none`, `bridge`, a network's name … */
  readonly networkMode: string;
  /** IPv4 addresses on the engine's networks; none where the engine gives it none. */
  readonly addresses: readonly string[];
  /** TCP ports reachable on this machine, by the container's port. */
  readonly published: Readonly<Record<number, { address: string; port: number }>>;
  /** Folder or file on the host by its place in the container. */
  readonly mounts: Readonly<Record<string, string>>;
}

export interface ImageFacts {
  readonly id: string;
  /** `host/name@digest`, where registries have it that it came from or went to. */
  readonly repoDigests: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Of its layers, bottom first. */
  readonly diffIDs: readonly Digest[] | undefined;
}

/** Parses what `inspect --type container` prints for one container. Throws where it is not that. */
export function parseContainer(json: unknown): ContainerFacts {
  const [facts] = z.tuple([container]).parse(json);
  const network = facts.NetworkSettings;
  const addresses = [network.IPAddress, ...Object.values(network.Networks ?? {}).map(({ IPAddress }) => IPAddress)];
  return {
    id: facts.Id,
    name: facts.Name.replace(/^\//, ''),
    hostname: facts.Config.Hostname || facts.Id.slice(0, 12),
    running: facts.State.Running,
    exitCode: facts.State.ExitCode,
    image: facts.Image,
    environment: parseEnvironment(facts.Config.Env ?? []),
    labels: facts.Config.Labels ?? {},
    networkMode: facts.HostConfig.NetworkMode ?? 'default',
    addresses: [...new Set(addresses.filter((address): address is string => Boolean(address)))],
    published: publishedPorts(network.Ports ?? {}),
    mounts: Object.fromEntries((facts.Mounts ?? []).map((mount) => [mount.Destination, mount.Source ?? ''])),
  };
}

/** Parses what `image inspect` prints for one image. */
export function parseImage(json: unknown): ImageFacts {
  const [facts] = z.tuple([image]).parse(json);
  return {
    ...{ id: facts.Id, repoDigests: facts.RepoDigests ?? [], labels: facts.Config?.Labels ?? {} },
    diffIDs: facts.RootFS?.Layers ?? undefined,
  };
}

function parseEnvironment(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => [word.replace(/=.*$/s, ''), word.replace(/^[^=]*=?/, '')]));
}

function publishedPorts(ports: Record<string, { HostIp: string; HostPort: string }[] | null>) {
  const published: Record<number, { address: string; port: number }> = {};
  for (const [key, bindings] of Object.entries(ports)) {
    const match = /^(\d+)\/tcp$/.exec(key);
    const binding = bindings?.find(({ HostPort }) => Number(HostPort) > 0);
    if (!match || !binding) continue;
    const everywhere = ['', '0.0.0.0', '::'].includes(binding.HostIp);
    published[Number(match[1])] = {
      address: everywhere ? '127.0.0.1' : binding.HostIp,
      port: Number(binding.HostPort),
    };
  }
  return published;
}
