import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { BuildContext } from '../context.ts';
import type { BaseImage } from './base-image.ts';
import { mountLayers } from './mount.ts';

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const log = { info: () => undefined, warn: () => undefined, debug: () => undefined };
const base = { layers: [{ digest: `sha256:${'a'.repeat(64)}` }] } as unknown as BaseImage;

/** What the registry, and another server, are asked once an upload was opened at `location`. */
async function askedFor(location: (host: string, other: string) => string): Promise<string[]> {
  const asked: string[] = [];
  const note = (name: string) => (request: IncomingMessage, response: ServerResponse) => {
    asked.push(`${name} ${request.method} ${request.headers.authorization ?? 'unknown'}`);
    response.writeHead(204).end();
  };
  const other = await serve(note('other'));
  const host = await serve((request, response) => {
    if (request.url?.startsWith('/token')) return void response.end('{"token":"t"}');
    if (request.method === 'DELETE') return note('registry')(request, response);
    if (request.headers.authorization === undefined) {
      return void response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end();
    }
    response.writeHead(202, { location: location(host, other) }).end();
  });
  const ctx = { log, env: {}, cacheDir: '' } as unknown as BuildContext;
  await mountLayers(ctx, base, `${host}/me/base:1`, `${host}/me/box:1`, { insecure: true });
  return asked;
}

test('an upload that the registry opened instead is given back, to the registry alone', async () => {
  expect(await askedFor(() => '/v2/me/box/blobs/uploads/1')).toEqual(['registry DELETE Bearer t']);
  expect(await askedFor((_, other) => `http://${other}/uploads/1`)).toEqual([]);
});
