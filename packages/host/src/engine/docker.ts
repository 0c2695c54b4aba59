import { z } from 'zod';
import type { EngineDialect } from './engine.ts';
import { parseJson } from './json.ts';

const info = z.object({
  ServerVersion: z.string().min(1),
  KernelVersion: z.string(),
  SecurityOptions: z.array(z.string()).nullish(),
});

export const docker: EngineDialect = {
  name: 'docker',
  program: 'docker',
  infoArgs: ['info', '--format', '{{json .}}'],
  parseInfo(stdout) {
    const parsed = info.safeParse(parseJson(stdout));
    if (!parsed.success) return undefined;
    const security = (parsed.data.SecurityOptions ?? []).flatMap((option) => option.split(','));
    return {
      version: parsed.data.ServerVersion,
      kernel: parsed.data.KernelVersion,
      rootless: security.includes('name=rootless'),
      selinux: security.includes('name=selinux'),
    };
  },
  remedy: 'start Docker (systemctl start docker), set DOCKER_HOST if it listens elsewhere, or join the group docker',
  localReferences: (name) => [`virtainers/${name}`],
  networkFlags: [],
};
