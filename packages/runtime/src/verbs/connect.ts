import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { type Status, statusSchema, VirtainersError } from '@virtainers/core';
import { type AskAgent, askAddresses } from '../readiness/agent.ts';

/** Joins stdin and stdout to a TCP port of the guest: what `ssh -o ProxyCommand` wants where no address can be reached. */
export async function connectGuest(
  statusPath: string,
  agentOf: (domain: string) => AskAgent,
  args: readonly string[],
  input: Readable,
  output: Writable,
): Promise<number> {
  const port = Number(args[0]);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new VirtainersError('ARGUMENTS_BAD', `connect ${args.join(' ')}: expected one port, 1 to 65535`, {
      hint: 'connect 22',
    });
  }
  const text = await readFile(statusPath, 'utf8').catch((cause: unknown) => {
    throw new VirtainersError('NETWORK_UNAVAILABLE', 'connecting to the guest: the machine has not started', { cause });
  });
  const status = statusSchema.parse(JSON.parse(text));
  const door = await doorTo(port, status, (mac) => askAddresses(agentOf(status.vmName), mac));
  return new Promise((resolve, reject) => {
    const socket = connect({ ...door, allowHalfOpen: true });
    socket.once('error', (cause) => {
      const message = `connecting to port ${port} of the guest at ${door.host}: ${cause.message}`;
      reject(new VirtainersError('NETWORK_UNAVAILABLE', message, { cause }));
    });
    input.pipe(socket);
    socket.pipe(output);
    socket.once('close', () => resolve(0));
  });
}

/** Modes in which the guest's address is not one of the network that the container is in. */
const BY_PORT: readonly string[] = ['passt', 'user'];

/**
 * Where a port of the guest is reached from inside the container. `addressesOf`: what the guest itself says of the NIC with
 * that MAC, for a guest whose addresses the LAN gives. Throws NETWORK_UNAVAILABLE where there is no way.
 */
export async function doorTo(
  port: number,
  { network }: Pick<Status, 'network'>,
  addressesOf: (mac: string) => Promise<readonly string[]>,
): Promise<{ host: string; port: number }> {
  if (network?.guestAddress !== undefined) return { host: network.guestAddress, port };
  const forward = network?.ports.find(({ protocol, guest }) => protocol === 'tcp' && guest === port);
  if (forward) return { host: '127.0.0.1', port: forward.container };
  const onLan = network?.nics?.filter(({ mode, mac }) => mac !== undefined && !BY_PORT.includes(mode)) ?? [];
  for (const { mac = '' } of onLan) {
    const [host] = await addressesOf(mac);
    if (host !== undefined) return { host, port };
  }
  const none = onLan.length > 0;
  throw new VirtainersError(
    'NETWORK_UNAVAILABLE',
    `connecting to port ${port} of the guest: ${none ? 'its agent does not say which address it has' : 'the port is not forwarded'}`,
    { hint: none ? 'its console says it: virsh console vm' : `start it with -e PORTS=${port}` },
  );
}
