import type { Log, Status } from '@virtainers/core';
import { expect, test } from 'vitest';
import { watchRoom } from './room.ts';

const MIB = 1024 ** 2;

/** A file system with `free` bytes at each look in turn, the last for ever, and a status that remembers. */
function machine(free: readonly (number | Error)[], state: Status['state'] = 'ready') {
  const said: string[] = [];
  const status = {
    current: { state } as Status,
    update: async (change: Partial<Status>) => {
      status.current = { ...status.current, ...change } as Status;
    },
  };
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
  return { room, status, said, done, looks: () => looks };
}

test('a guest that stands still for want of room is degraded and told, and goes on when there is room', async () => {
  const { room, status, said, done, looks } = machine([4096, 4096, 8192, MIB + 4096]);
  room.onFull('/mounted/x.qcow2');
  expect(room.full).toBe('/mounted/x.qcow2');
  expect(status.current).toMatchObject({
    state: 'degraded',
    message: 'paused: there is no room left for /mounted/x.qcow2',
  });
  room.onFull('/mounted/x.qcow2');
  await done;
  expect(looks()).toBe(4);
  expect(room.full).toBeUndefined();
  expect([status.current.state, status.current.message]).toEqual(['ready', undefined]);
  expect(said).toHaveLength(2);
});

test('a stop that is under way stays one', async () => {
  const { room, status, done } = machine([0, 2 * MIB]);
  room.onFull('/x');
  status.current = { ...status.current, state: 'stopping' };
  await done;
  expect([status.current.state, status.current.message]).toEqual(['stopping', undefined]);
});

test('where nobody can say how much is free, the way by hand is named', async () => {
  const { room, said } = machine([new Error('ENOTSUP')]);
  room.onFull('/x');
  await expect.poll(() => said.at(-1)).toMatch(/ENOTSUP.*virsh resume/);
  room.stop();
});
