import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { statusSchema } from '@virtainers/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeStatusFile, type StatusFile } from './status.ts';

let folder: string;
let status: StatusFile;
let ms: number;
let warnings: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'virtainers-status-'));
  ms = 0;
  warnings = [];
  const first = { life: 'one', vmName: 'vm', driver: 'system' } as const;
  status = makeStatusFile(
    join(folder, 'run/status.json'),
    first,
    () => new Date(ms),
    () => ms,
    (line) => warnings.push(line),
  );
});

afterEach(() => rm(folder, { recursive: true }));

async function read() {
  const { state, message, since, timings } = statusSchema.parse(
    JSON.parse(await readFile(join(folder, 'run/status.json'), 'utf8')),
  );
  return { state, message, at: Date.parse(since), timings };
}

test('a state gets its time once, and what is not told again stays', async () => {
  await status.update({});
  expect(await read()).toMatchObject({ state: 'preparing', at: 0 });
  ms = 5;
  await status.update({ state: 'booting' });
  ms = 9;
  await status.update({ resumed: true });
  expect(await read()).toMatchObject({ state: 'booting', at: 5, timings: { preparing: 0, booting: 5 } });
});

test('a guest that runs is degraded while anything is wrong, and then what it has reached meanwhile', async () => {
  await status.update({ state: 'booting' });
  ms = 1;
  await status.trouble('a', 'no room');
  await status.trouble('b', 'a folder is lost');
  expect(await read()).toMatchObject({ state: 'degraded', at: 1, message: 'no room; a folder is lost' });
  ms = 2;
  await status.update({ state: 'ready' });
  await status.trouble('b', undefined);
  expect(await read()).toMatchObject({ state: 'degraded', at: 1, message: 'no room' });
  expect(status.reached).toBe('ready');
  ms = 3;
  await status.trouble('a', undefined);
  const timings = { preparing: 0, booting: 0, degraded: 1, ready: 2 };
  expect(await read()).toEqual({ state: 'ready', at: 3, message: undefined, timings });
});

test('a stop that is under way stays one, and an end says why it came', async () => {
  await status.trouble('a', 'no room');
  expect(await read()).toMatchObject({ state: 'preparing', message: undefined });
  await status.update({ state: 'stopping' });
  expect(await read()).toMatchObject({ state: 'stopping', message: 'no room' });
  await status.update({ state: 'ready' });
  expect(await read()).toMatchObject({ state: 'stopping', timings: { preparing: 0, stopping: 0 } });
  expect(status.reached).toBe('stopping');
  await status.update({ state: 'stopped', message: 'the guest shut down' });
  expect(await read()).toMatchObject({ state: 'stopped', message: 'the guest shut down' });
});

test('what cannot be written for want of room is told once, and by the next that can', async () => {
  const next = join(folder, 'run/status.json.tmp');
  await mkdir(join(folder, 'run'));
  await symlink('/dev/full', next);
  await status.update({ state: 'booting' });
  await status.update({ resumed: true });
  expect(warnings).toEqual([expect.stringMatching(/status\.json cannot be written: .*ENOSPC/)]);
  await rm(next);
  ms = 3;
  await status.update({ state: 'stopping' });
  expect(await read()).toMatchObject({ state: 'stopping', at: 3 });
  expect(warnings).toHaveLength(1);
});
