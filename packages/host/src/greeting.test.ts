import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { greetsAsSsh } from './greeting.ts';

async function serve(greeting: string | undefined): Promise<{ port: number; close(): void }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (greeting !== undefined) socket.end(greeting);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

test.each([
  ['an SSH server', 'SSH-2.0-OpenSSH_9.2\r\n', true],
  ['another server', 'HTTP/1.1 400 Bad Request\r\n', false],
  ['a forwarder whose guest sleeps', '', false],
  ['a forwarder that waits', undefined, false],
])('%s', async (_name, greeting, expected) => {
  const server = await serve(greeting);
  expect(await greetsAsSsh('127.0.0.1', server.port, 200)).toBe(expected);
  server.close();
});

test('nobody there', async () => {
  const server = await serve('');
  server.close();
  expect(await greetsAsSsh('127.0.0.1', server.port, 200)).toBe(false);
});
