import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Relay } from './relay.ts';

/** Who says nothing for this long is forgotten (RFC 4787, REQ-5: not before two minutes). */
const IDLE_MS = 120_000;

/** Of one port. The longest known one makes room for a new one. */
const MAX_CALLERS = 1024;

interface Caller {
  readonly socket: Socket;
  readonly idle: NodeJS.Timeout;
}

/**
 * Carries datagrams between `port` and 127.0.0.1:`qemuPort`. Each caller has a socket of its own towards the guest, by
 * which the guest's answers are known to be the caller's.
 */
export async function relayUdp({ port, qemuPort }: { port: number; qemuPort: number }): Promise<Relay> {
  const callers = new Map<string, Caller>();
  const outside = await listen(port);
  const forget = (name: string) => {
    const caller = callers.get(name);
    if (!caller) return;
    clearTimeout(caller.idle);
    caller.socket.close();
    callers.delete(name);
  };
  const meet = (name: string, address: string, callerPort: number): Caller => {
    const [oldest] = callers.keys();
    if (callers.size >= MAX_CALLERS && oldest !== undefined) forget(oldest);
    const socket = createSocket('udp4');
    const idle = setTimeout(() => forget(name), IDLE_MS);
    // Nobody listens in the guest (yet): the datagram is lost, as it is on any network.
    socket.on('error', () => undefined);
    socket.on('message', (bytes) => {
      idle.refresh();
      outside.send(bytes, callerPort, address, () => undefined);
    });
    const caller = { socket, idle };
    callers.set(name, caller);
    return caller;
  };
  outside.on('message', (bytes, { address, port: callerPort }) => {
    const name = `${address} ${callerPort}`;
    const caller = callers.get(name) ?? meet(name, address, callerPort);
    caller.idle.refresh();
    caller.socket.send(bytes, qemuPort, '127.0.0.1', () => undefined);
  });
  return {
    close: () => {
      for (const name of [...callers.keys()]) forget(name);
      outside.close();
    },
  };
}

/** Both families by one socket; IPv4 alone where the kernel has no IPv6. */
async function listen(port: number): Promise<Socket> {
  try {
    return await bound(createSocket('udp6'), port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAFNOSUPPORT') throw error;
    return bound(createSocket('udp4'), port);
  }
}

async function bound(socket: Socket, port: number): Promise<Socket> {
  socket.bind(port);
  await once(socket, 'listening');
  socket.on('error', () => undefined);
  return socket;
}
