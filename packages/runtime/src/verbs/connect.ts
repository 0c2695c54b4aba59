import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { statusSchema, VirtainersError } from '@virtainers/core';

/** Joins stdin and stdout to a TCP port of the guest: what `ssh -o ProxyCommand` wants where no address can be reached. */
export async function connectGuest(
  statusPath: string,
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
  const { network } = statusSchema.parse(JSON.parse(text));
  const host = network?.guestAddress ?? '127.0.0.1';
  const forward = network?.ports.find(({ protocol, guest }) => protocol === 'tcp' && guest === port);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: forward?.container ?? port, allowHalfOpen: true });
    socket.once('error', (cause) =>
      reject(
        new VirtainersError('NETWORK_UNAVAILABLE', `connecting to port ${port} of the guest: ${cause.message}`, {
          cause,
        }),
      ),
    );
    input.pipe(socket);
    socket.pipe(output);
    socket.once('close', () => resolve(0));
  });
}
