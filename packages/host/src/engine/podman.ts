import { parseJson } from '@virtainers/core';
import { z } from 'zod';
import type { EngineDialect } from './engine.ts';
import { attachPodman, parsePodmanNetworks } from './podman-network.ts';

const info = z.object({
  host: z.object({
    kernel: z.string(),
    security: z.object({ rootless: z.boolean(), selinuxEnabled: z.boolean().optional() }),
  }),
  version: z.object({ Version: z.string().min(1) }),
});

export const podman: EngineDialect = {
  name: 'podman',
  program: 'podman',
  infoArgs: ['info', '--format', 'json'],
  parseInfo(stdout) {
    const parsed = info.safeParse(parseJson(stdout));
    if (!parsed.success) return undefined;
    const { host, version } = parsed.data;
    return {
      version: version.Version,
      kernel: host.kernel,
      rootless: host.security.rootless,
      selinux: host.security.selinuxEnabled ?? false,
      namesInterfaces: true,
    };
  },
  remedy: 'install Podman (Debian: apt-get install podman); `podman info` says why it does not answer',
  // `podman load` puts a name without a registry under docker.io, `podman tag` and `podman build` under localhost.
  localReferences: (name) => [`docker.io/virtainers/${name}`, `localhost/virtainers/${name}`],
  // What Docker sets by itself. QEMU is no root: without the first it may not forward ports below 1024 where the network has to
  // be `user` or `passt`. The second is inherited from the machine, and without it the network cannot be `nat`.
  networkFlags: ['net.ipv4.ip_unprivileged_port_start=0', 'net.ipv4.ip_forward=1'].flatMap((set) => ['--sysctl', set]),
  parseNetworks: parsePodmanNetworks,
  attach: attachPodman,
  // It refuses every bridge whose subnet meets a network of the host's interfaces.
  externalFlags: () => undefined,
};
