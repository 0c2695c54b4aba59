import { connect, createServer, type Server } from 'node:net';
import type { Forward } from './mode.ts';

/** Opens the ports that QEMU may not, and carries bytes between them and QEMU's. Resolves when all listen. */
export async function startRelays(forwards: readonly Forward[]): Promise<{ stop(): void }> {
  const servers = await Promise.all(forwards.filter(({ way }) => way === 'relayed').map(listen));
  return {
    stop: () => {
      for (const server of servers) server.close();
    },
  };
}

function listen({ port, qemuPort }: Forward): Promise<Server> {
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
    server.listen(port, () => resolve(server));
  });
}
