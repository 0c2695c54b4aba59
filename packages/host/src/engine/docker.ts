import { parseJson } from '@virtainers/core';
import { z } from 'zod';
import { attachDocker, externalDocker, parseDockerNetworks } from './docker-network.ts';
import type { EngineDialect } from './engine.ts';
import { majorVersion } from './version.ts';

const info = z.object({
  ServerVersion: z.string().min(1),
  KernelVersion: z.string(),
  SecurityOptions: z.array(z.string()).nullish(),
  // The program's own version; old ones do not say it.
  ClientInfo: z.object({ Version: z.string().optional() }).nullish(),
});

/** Since this version, an interface of a container can be named. */
const NAMES_INTERFACES = 28;

export const docker: EngineDialect = {
  name: 'docker',
  program: 'docker',
  infoArgs: ['info', '--format', '{{json .}}'],
  parseInfo(stdout) {
    const parsed = info.safeParse(parseJson(stdout));
    if (!parsed.success) return undefined;
    const { ServerVersion, ClientInfo } = parsed.data;
    const oldest = Math.min(majorVersion(ServerVersion), majorVersion(ClientInfo?.Version ?? '0'));
    const security = (parsed.data.SecurityOptions ?? []).flatMap((option) => option.split(','));
    return {
      version: ServerVersion,
      kernel: parsed.data.KernelVersion,
      rootless: security.includes('name=rootless'),
      selinux: security.includes('name=selinux'),
      namesInterfaces: oldest >= NAMES_INTERFACES,
    };
  },
  remedy: 'start Docker (systemctl start docker), set DOCKER_HOST if it listens elsewhere, or join the group docker',
  localReferences: (name) => [`virtainers/${name}`],
  networkFlags: [],
  parseNetworks: parseDockerNetworks,
  attach: attachDocker,
  externalFlags: externalDocker,
};
