import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { spawn } from '../../../../test/helpers/process.ts';
import { processOf } from '../owner.ts';
import { markOf } from '../work-folder.ts';
import { type DownloadRequest, download } from './download.ts';
import { claimPart } from './part.ts';

const content = Buffer.alloc(400_000, 'a cloud image, piece by piece ');
const sha256 = createHash('sha256').update(content).digest('hex');
const pauses: number[] = [];
let seen: IncomingMessage['headers'][] = [];
let respond: (request: IncomingMessage, response: ServerResponse, count: number) => unknown;
let folder: string;
let origin: string;

const server = createServer((request, response) => {
  seen.push(request.headers);
  respond(request, response, seen.length);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'virtainers-download-'));
  [seen, pauses.length] = [[], 0];
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function fetchIt(more: Partial<DownloadRequest> = {}) {
  return download({
    url: new URL(`${origin}/disk.qcow2`),
    label: 'the disk',
    sums: { sha256 },
    maxSize: 1_000_000,
    folder,
    pause: async (ms) => {
      pauses.push(ms);
    },
    ...more,
  });
}

/** Sends the file, or what a Range asks of it; `cutAt` ends the connection there, once the client has read so far. */
function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { cutAt, etag = '"v1"' }: { cutAt?: number; etag?: string } = {},
) {
  const [, first = '0', last = ''] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
  const wanted = Number(first);
  const current = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
  const start = current ? wanted : 0;
  const end = current && last ? Math.min(Number(last) + 1, content.length) : content.length;
  const partial = current && request.headers.range !== undefined;
  response.writeHead(partial ? 206 : 200, {
    etag,
    'content-length': end - start,
    ...(partial ? { 'content-range': `bytes ${start}-${end - 1}/${content.length}` } : {}),
  });
  if (cutAt === undefined) return response.end(content.subarray(start, end));
  return response.write(content.subarray(start, cutAt), () => setImmediate(() => response.destroy()));
}

test('V18: fetches, checks and leaves the file under its sum and nothing else', async () => {
  respond = (request, response) => serve(request, response);
  const file = await fetchIt();
  expect(file).toMatchObject({ digest: `sha256:${sha256}`, size: content.length, version: { etag: '"v1"' } });
  expect(await readdir(folder)).toEqual([`${sha256}.file`]);
  expect(seen[0]?.['accept-encoding']).toBe('identity');
});

test('goes on where the connection broke, if the file is still the same', async () => {
  respond = (request, response, count) => serve(request, response, count < 3 ? { cutAt: count * 150_000 } : {});
  expect((await fetchIt())?.digest).toBe(`sha256:${sha256}`);
  expect(seen.length).toBe(3);
  // Each try brought something.
  expect(pauses).toEqual([500, 500]);
});

test('begins anew when the file is another one', async () => {
  respond = (request, response, count) => serve(request, response, count === 1 ? { cutAt: 150_000, etag: '"v0"' } : {});
  expect((await fetchIt())?.digest).toBe(`sha256:${sha256}`);
});

test('a server that fails for a while is asked again, then given up, and what came is kept', async () => {
  respond = (request, response, count) =>
    count === 1 ? serve(request, response, { cutAt: 200_000 }) : response.writeHead(503).end();
  await expect(fetchIt()).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringMatching(/503 \(5 tries\)/),
  });
  expect((await readdir(folder)).length).toBe(1);
  respond = (request, response) => serve(request, response);
  expect((await fetchIt())?.digest).toBe(`sha256:${sha256}`);
  expect(await readdir(folder)).toEqual([`${sha256}.file`]);
});

test.each([404, 403, 410])('%d is final', async (status) => {
  respond = (_, response) => response.writeHead(status).end();
  await expect(fetchIt()).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringContaining(String(status)),
  });
  expect(seen.length).toBe(1);
  expect(await readdir(folder)).toEqual([]);
});

test('other bytes than asked for are DIGEST_MISMATCH and are not kept', async () => {
  respond = (_, response) => response.end('something else');
  await expect(fetchIt()).rejects.toMatchObject({
    code: 'DIGEST_MISMATCH',
    message: expect.stringContaining(`expected sha256:${sha256}, got sha256:`),
  });
  expect(await readdir(folder)).toEqual([]);
});

test('rests of an earlier run that do not belong to this file are thrown away', async () => {
  respond = (_, response) => response.writeHead(500).end();
  await expect(fetchIt()).rejects.toThrow();
  const [part = ''] = await readdir(folder);
  await writeFile(join(folder, part, 'data'), 'rests of another file');
  respond = (request, response) => serve(request, response);
  expect((await fetchIt())?.digest).toBe(`sha256:${sha256}`);
});

test('a page instead of a disk is called one', async () => {
  respond = (_, response) => response.end('\n<!DOCTYPE html><title>Sign in</title>');
  await expect(fetchIt()).rejects.toMatchObject({
    code: 'SOURCE_UNAVAILABLE',
    message: expect.stringContaining('HTML page'),
  });
});

test('a file larger than allowed is refused, whether or not the server says its size', async () => {
  respond = (request, response) => serve(request, response);
  await expect(fetchIt({ maxSize: 100_000 })).rejects.toMatchObject({ code: 'DISK_REFUSED' });
  respond = (_, response) => {
    response.write(content);
    response.end(content);
  };
  await expect(fetchIt({ maxSize: 500_000 })).rejects.toMatchObject({ code: 'DISK_REFUSED' });
  expect(await readdir(folder)).toEqual([]);
});

test('credentials go into a header, not into messages', async () => {
  respond = (_, response) => response.writeHead(401).end();
  const url = new URL(`${origin}/disk`);
  [url.username, url.password] = ['me', 'geheim'];
  await expect(fetchIt({ url })).rejects.toMatchObject({ message: expect.not.stringContaining('geheim') });
  expect(seen[0]?.authorization).toBe(`Basic ${Buffer.from('me:geheim').toString('base64')}`);
});

test('what is known and current is not fetched', async () => {
  respond = (request, response) => response.writeHead(request.headers['if-none-match'] === '"v1"' ? 304 : 200).end();
  expect(await fetchIt({ known: { etag: '"v1"' }, sums: {} })).toBeUndefined();
  expect(await readdir(folder)).toEqual([]);
});

test('an interruption keeps what came', async () => {
  const controller = new AbortController();
  respond = (request, response) => serve(request, response, { cutAt: 200_000 });
  const onProgress = () => controller.abort(new Error('interrupted'));
  await expect(fetchIt({ signal: controller.signal, onProgress })).rejects.toThrow('interrupted');
  const [part = ''] = await readdir(folder);
  expect((await readFile(join(folder, part, 'data'))).length).toBeGreaterThan(0);
});

const pieces = { size: 50_000, atOnce: 4 };

test('a large file comes in pieces, several at once, and is hashed in order', async () => {
  const waiting: (() => void)[] = [];
  respond = (request, response, count) => {
    if (count > 4 || count === 1) return serve(request, response);
    // None of the second to the fourth is answered before all three have been asked.
    waiting.push(() => serve(request, response));
    if (waiting.length === 3) for (const answer of waiting.reverse()) answer();
  };
  expect((await fetchIt({ pieces }))?.digest).toBe(`sha256:${sha256}`);
  const asked = seen.map(({ range }) => Number(/\d+/.exec(range ?? '')?.[0])).sort((a, b) => a - b);
  expect(asked).toEqual(Array.from({ length: 8 }, (_, index) => index * pieces.size));
});

test('a server that refuses more connections is left with one', async () => {
  respond = (request, response, count) =>
    count > 1 && count < 5 ? response.writeHead(503).end() : serve(request, response);
  expect((await fetchIt({ pieces }))?.digest).toBe(`sha256:${sha256}`);
  expect(pauses).toEqual([]);
});

test('pieces of two versions are told apart by their ETags', async () => {
  respond = (request, response, count) => serve(request, response, { etag: count < 4 ? '"v0"' : '"v1"' });
  expect((await fetchIt({ pieces: { ...pieces, atOnce: 1 } }))?.digest).toBe(`sha256:${sha256}`);
  expect(pauses).toEqual([500]);
  expect(seen.length).toBe(4 + 8);
});

test('what came in pieces before a break is not fetched again', async () => {
  const served: number[] = [];
  respond = (request, response, count) => {
    if (count > 5) return response.destroy();
    served.push(Number(/\d+/.exec(request.headers.range ?? '')?.[0]));
    return serve(request, response);
  };
  await expect(fetchIt({ pieces })).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  respond = (request, response) => {
    served.push(Number(/\d+/.exec(request.headers.range ?? '')?.[0]));
    serve(request, response);
  };
  expect((await fetchIt({ pieces: { ...pieces, atOnce: 1 } }))?.digest).toBe(`sha256:${sha256}`);
  expect(served.length).toBeLessThan(8 + 4);
});

test('of two downloads one gets a part; that of a killed process is taken over, and one part is left', async () => {
  const child = spawn('cat', [], { stdin: 'pipe' });
  const theirs = await processOf(child.pid ?? 0);
  for (const end of ['aaaaaa', 'bbbbbb']) {
    await mkdir(join(folder, `key.${markOf(theirs)}.${end}`));
    await writeFile(join(folder, `key.${markOf(theirs)}.${end}`, 'data'), 'what came');
  }
  expect(await readFile((await claimPart(folder, 'key')).data, 'utf8')).toBe('');
  child.kill('SIGKILL');
  await child.exited;
  expect(await readFile((await claimPart(folder, 'key')).data, 'utf8')).toBe('what came');
  expect((await readdir(folder)).length).toBe(2);
});

test('what is compressed is unpacked from pieces that come in any order, and beside the file once its sum holds', async () => {
  const plain = randomBytes(600_000);
  const packed = gzipSync(plain);
  const sum = createHash('sha256').update(packed).digest('hex');
  respond = (request, response) => {
    const [, first = '0', last = ''] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
    const end = Math.min(Number(last) + 1, packed.length);
    response.writeHead(206, {
      'content-length': end - Number(first),
      'content-range': `bytes ${first}-${end - 1}/${packed.length}`,
    });
    response.end(packed.subarray(Number(first), end));
  };
  const unpack = { spawn, name: 'the disk', maxSize: 1_000_000, checkHead: () => undefined };
  const asked = { sums: { sha256: sum }, pieces: { size: 50_000, atOnce: 4 }, unpack };
  const fetched = await fetchIt(asked);
  expect(fetched?.digest).toBe(`sha256:${sum}`);
  expect((await readdir(folder)).sort()).toEqual([`${sum}.file`, `${sum}.unpacked`]);
  expect((await readFile(join(folder, `${sum}.unpacked`))).equals(plain)).toBe(true);
});
