import { connect } from 'node:net';

/** Whether an SSH server speaks there. It speaks first (RFC 4253, section 4.2); an open port proves nothing, forwarders accept for guests that sleep. */
export function greetsAsSsh(host: string, port: number, limitMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (greeted: boolean) => {
      socket.destroy();
      resolve(greeted);
    };
    socket.setTimeout(limitMs, () => settle(false));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    socket.once('data', (chunk) => settle(chunk.toString('latin1').startsWith('SSH-')));
  });
}
