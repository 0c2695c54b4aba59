import type { Log } from '@virtainers/core';
import { expect, test } from 'vitest';
import { watchRoom } from './room.ts';

const MIB = 1024 ** 2;

/** A file system with `free` bytes at each look in turn, the last for ever, and what the status is told. */
function machine(free: readonly (number | Error)[]) {
  const said: string[] = [];
  const troubles: (string | undefined)[] = [];
  const status = { trouble: async (_name: string, message: string | undefined) => void troubles.push(message) };
  const log = { info: (line: string) => said.push(line), warn: (line: string) => said.push(line) } as unknown as Log;
  let looks = 0;
  let resumed: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    resumed = resolve;
  });
  const room = watchRoom({
    status,
    log,
    free: async () => {
      const value = free[Math.min(looks, free.length - 1)] ?? 0;
      looks += 1;
      if (value instanceof Error) throw value;
      return value;
    },
    resume: async () => {
      room.onResumed();
      resumed();
    },
    wait: (async () => undefined) as never,
  });
  return { room, troubles, said, done, looks: () => looks };
}

test('that a guest stands still for want of room is told, and it goes on when there is room', async () => {
  const { room, troubles, said, done, looks } = machine([4096, 4096, 8192, MIB + 4096]);
  room.onFull('/mounted/x.qcow2');
  expect(room.full).toBe('/mounted/x.qcow2');
  room.onFull('/mounted/x.qcow2');
  await done;
  expect(looks()).toBe(4);
  expect(room.full).toBeUndefined();
  expect(troubles).toEqual(['paused: there is no room left for /mounted/x.qcow2', undefined]);
  expect(said).toHaveLength(2);
});

test('where nobody can say how much is free, the way by hand is named', async () => {
  const { room, said } = machine([new Error('ENOTSUP')]);
  room.onFull('/x');
  await expect.poll(() => said.at(-1)).toMatch(/ENOTSUP.*virsh resume/);
  room.stop();
});
