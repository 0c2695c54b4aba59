import { connect, createServer } from 'node:net';
import type { Forward } from '../guest/port.ts';
import { relayUdp } from './relay-udp.ts';

/** A port that is open; `close` leaves nothing behind. */
export interface Relay {
  close(): void;
}

/**
 * Opens the ports that QEMU may not, and carries bytes between them and QEMU's. Resolves when all listen; a port that
 * cannot be opened is told to `warn` and done without.
 */
export async function startRelays(
  forwards: readonly Forward[],
  warn: (line: string) => void,
): Promise<{ stop(): void }> {
  const relayed = forwards.filter(({ way }) => way === 'relayed');
  const relays = await Promise.all(
    relayed.map((forward) =>
      (forward.protocol === 'tcp' ? relayTcp : relayUdp)(forward).catch((error: unknown) => {
        warn(`port ${forward.port}/${forward.protocol} is not forwarded: ${String(error)}`);
      }),
    ),
  );
  return { stop: () => void relays.map((relay) => relay?.close()) };
}

function relayTcp({ port, qemuPort }: Forward): Promise<Relay> {
  // A half-closed connection stays half-open through us, as it would without us.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (outside) => {
    const inside = connect({ port: qemuPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const end = () => {
      outside.destroy();
      inside.destroy();
    };
    outside.on('error', end);
    inside.on('error', end);
    outside.pipe(inside);
    inside.pipe(outside);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => resolve({ close: () => void server.close() }));
  });
}
