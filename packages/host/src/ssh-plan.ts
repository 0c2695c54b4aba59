import { IN_IMAGE, quote, VirtainersError } from '@virtainers/core';
import type { ContainerFacts } from './engine/facts.ts';
import type { Engine } from './engine/find.ts';

/** Where an SSH client may reach the guest. */
export interface SshAddress {
  readonly host: string;
  readonly port: number;
}

export interface SshSettings {
  readonly user: string;
  /** Undefined: through the engine, whatever the network. */
  readonly address: SshAddress | undefined;
  /** A private key's file. */
  readonly identity?: string | undefined;
  /** Host keys of this container alone. */
  readonly knownHosts: string;
  readonly command: readonly string[];
}

/** Addresses to try, the best first. A rootless container's own address is another machine's, or nobody's, on the host. */
export function sshAddresses(engine: Engine, local: boolean, facts: ContainerFacts): SshAddress[] {
  const own = engine.info.rootless || !local ? [] : facts.addresses.map((host) => ({ host, port: 22 }));
  const published = facts.published[22];
  return published ? [...own, { host: published.address, port: published.port }] : own;
}

/** The arguments of ssh(1). */
export function planSsh(engine: Engine, facts: ContainerFacts, settings: SshSettings): string[] {
  const { address } = settings;
  return [
    ...options({
      StrictHostKeyChecking: 'accept-new',
      UserKnownHostsFile: `"${settings.knownHosts}"`,
      // One entry for one guest, whichever way leads to it.
      HostKeyAlias: facts.name,
      CheckHostIP: 'no',
      LogLevel: 'ERROR',
    }),
    ...(settings.identity === undefined ? [] : ['-i', settings.identity]),
    ...(address ? ['-p', String(address.port)] : options({ ProxyCommand: proxyCommand(engine, facts.id) })),
    ...['-l', checkUser(settings.user)],
    // Without `--`, ssh reads options behind the host too.
    ...['--', address?.host ?? facts.name, ...settings.command],
  ];
}

/** What a person types to log in without us. */
export function plainSsh(user: string, { host, port }: SshAddress): string {
  return ['ssh', ...(port === 22 ? [] : ['-p', String(port)]), `${user}@${host}`].map(quote).join(' ');
}

/** ssh hands it to a shell; the id is hexadecimal and the rest is ours. `%` would be a token of ssh's. */
function proxyCommand(engine: Engine, id: string): string {
  return [engine.dialect.program, 'exec', '-i', id, 'node', IN_IMAGE.runtime, 'connect', '22'].map(quote).join(' ');
}

/** The name comes from an image's label, so from a stranger. */
function checkUser(user: string): string {
  if (/^[a-z_A-Z][\w.-]*\$?$/.test(user)) return user;
  throw new VirtainersError('ARGUMENTS_BAD', `${JSON.stringify(user)} cannot be a user's name`, {
    hint: 'give --user',
  });
}

function options(values: Record<string, string>): string[] {
  return Object.entries(values).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
}
