import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAccessible, toolMissing, VirtainersError } from '@virtainers/core';
import type { HostContext } from './context.ts';
import type { FoundContainer } from './engine/container.ts';
import { greetsAsSsh } from './greeting.ts';
import { planSsh, type SshAddress, sshAddresses } from './ssh-plan.ts';
import { readStatus, waitForState } from './wait.ts';

export interface SshRequest {
  readonly command: readonly string[];
  /** Overrides the image's. */
  readonly user?: string | undefined;
  /** A private key's file; otherwise the half of what `run` mounted, and ssh's own defaults. */
  readonly identity?: string | undefined;
}

const GREETING_MS = 2000;

/** Logs in, or runs `command`, on the person's own terminal. Gives back ssh's exit code. */
export async function sshInto(context: HostContext, found: FoundContainer, request: SshRequest): Promise<number> {
  if (!found.facts.running) throw stopped(found);
  const args = planSsh(found.client, found.facts, {
    user: request.user ?? loginUser(found) ?? (await userFromStatus(found)),
    address: await chooseAddress(context, found),
    identity: request.identity ?? (await mountedIdentity(found)),
    knownHosts: await knownHostsFile(context, found.facts.id),
    command: request.command,
  });
  const child = context.spawn('ssh', args, { stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' });
  if (child.pid === undefined) throw toolMissing('ssh');
  return (await child.exited).exitCode ?? 255;
}

/** The first address where the guest's SSH server answers now; undefined where there is none. */
export async function findAddress(context: HostContext, found: FoundContainer): Promise<SshAddress | undefined> {
  const addresses = listAddresses(context, found);
  const greeted = await Promise.all(addresses.map(({ host, port }) => greetsAsSsh(host, port, GREETING_MS)));
  return addresses.find((_, index) => greeted[index]);
}

/** Where it will answer once it is up, the best first. */
export function listAddresses(context: HostContext, { client, facts }: FoundContainer): SshAddress[] {
  return sshAddresses(client, client.info.kernel === context.kernel, facts);
}

/** The guest's login user as its image names it. */
export function loginUser({ facts }: FoundContainer): string | undefined {
  return facts.labels['io.virtainers.user'];
}

/** Waits for a guest that is still on its way; what nothing answers for goes through the engine. */
async function chooseAddress(context: HostContext, found: FoundContainer): Promise<SshAddress | undefined> {
  const now = await findAddress(context, found);
  if (now) return now;
  const status = await readStatus(found);
  if (!status || ['ready', 'degraded'].includes(status.state)) return undefined;
  context.log.info(`${found.facts.name} is not ready yet (${status.state}); waiting for it`);
  await waitForState(context, found, ['ready', 'degraded']);
  return findAddress(context, found);
}

async function userFromStatus(found: FoundContainer): Promise<string> {
  const user = (await readStatus(found))?.user;
  if (user !== undefined) return user;
  throw new VirtainersError('ARGUMENTS_BAD', `who logs into ${found.facts.name} is not known`, { hint: 'give --user' });
}

async function mountedIdentity({ facts }: FoundContainer): Promise<string | undefined> {
  const key = facts.mounts['/tmp/id_rsa.pub']?.replace(/\.pub$/, '');
  if (!key || key === facts.mounts['/tmp/id_rsa.pub']) return undefined;
  return (await isAccessible(key)) ? key : undefined;
}

async function knownHostsFile({ env, home }: HostContext, id: string): Promise<string> {
  const { XDG_STATE_HOME } = env;
  const state = XDG_STATE_HOME || join(home, '.local', 'state');
  const path = join(state, 'virtainers', 'known_hosts', id.slice(0, 16));
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return path;
}

function stopped({ client, facts }: FoundContainer): VirtainersError {
  const message = `the container ${facts.name} is not running (exit code ${facts.exitCode})`;
  return new VirtainersError('CONTAINER_STOPPED', message, { hint: `${client.dialect.program} start ${facts.name}` });
}
