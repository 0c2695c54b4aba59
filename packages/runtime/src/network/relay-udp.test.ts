import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import type { Relay } from './relay.ts';
import { relayUdp } from './relay-udp.ts';

const open: (Socket | Relay)[] = [];

afterEach(() => {
  for (const each of open.splice(0).reverse()) each.close();
});

async function socket(): Promise<Socket> {
  const made = createSocket('udp4');
  open.push(made);
  made.bind(0, '127.0.0.1');
  await once(made, 'listening');
  return made;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const taken = createSocket('udp6');
  taken.bind(0);
  await once(taken, 'listening');
  const { port } = taken.address();
  taken.close();
  await once(taken, 'close');
  return port;
}

test('two callers of one port each get the answers to what they themselves said', async () => {
  const guest = await socket();
  guest.on('message', (bytes, from) => guest.send(`you said ${bytes}`, from.port, from.address));
  const port = await freePort();
  open.push(await relayUdp({ port, qemuPort: guest.address().port }));
  const callers = [await socket(), await socket()];
  const answers = callers.map((caller) => once(caller, 'message'));
  for (const [index, caller] of callers.entries()) caller.send(String(index), port, '127.0.0.1');
  const texts = (await Promise.all(answers)).map(([bytes]) => String(bytes));
  expect(texts).toEqual(['you said 0', 'you said 1']);
});

test('a datagram that nobody takes does not end the relay', async () => {
  const [port, deaf] = [await freePort(), await freePort()];
  open.push(await relayUdp({ port, qemuPort: deaf }));
  const caller = await socket();
  caller.send('lost', port, '127.0.0.1');
  const guest = createSocket('udp4');
  open.push(guest);
  guest.bind(deaf, '127.0.0.1');
  await once(guest, 'listening');
  const heard = once(guest, 'message');
  caller.send('heard', port, '127.0.0.1');
  expect(String((await heard)[0])).toMatch(/lost|heard/);
});

test('a port that is taken is an error', async () => {
  const port = await freePort();
  open.push(await relayUdp({ port, qemuPort: 9 }));
  await expect(relayUdp({ port, qemuPort: 9 })).rejects.toThrow(/EADDRINUSE/);
});
