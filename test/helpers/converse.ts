import { connect, type NetConnectOpts } from 'node:net';

/** Sends text (if any) to a TCP port or a Unix socket and reads until the other side closes or `until` has been seen. */
export function converse(
  target: NetConnectOpts,
  text: string,
  options: { readonly until?: string; readonly timeoutMs: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(target);
    let answer = '';
    const end = (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(options.timeoutMs, () => socket.destroy(new Error(`silence after ${JSON.stringify(answer)}`)));
    socket.on('connect', () => text && socket.write(text));
    socket.on('data', (chunk) => {
      answer += chunk.toString('utf8');
      if (options.until !== undefined && answer.includes(options.until)) end();
    });
    socket.on('end', end);
    socket.on('error', reject);
  });
}
