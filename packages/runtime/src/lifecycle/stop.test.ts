import type { Log } from '@virtainers/core';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { StopReason } from '../domain/events.ts';
import { type StopInput, stopGuest } from './stop.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const NEVER = new Promise<never>(() => undefined);

/** A guest that ends when it is asked in one of these ways, and then for that reason. */
function guest(
  heeds: Readonly<Record<string, StopReason>>,
  stopAction: StopInput['config']['stopAction'] = 'shutdown',
) {
  const asked: string[] = [];
  let end: (reason: StopReason) => void = () => undefined;
  const ended = new Promise<StopReason>((resolve) => {
    end = resolve;
  });
  const ask = (way: string) => {
    asked.push(`${way} after ${Date.now() - begun} ms`);
    const reason = heeds[way];
    if (reason) end(reason);
  };
  const begun = Date.now();
  const virsh = {
    flush: async () => true,
    shutdown: async (mode: string) => {
      ask(mode);
      return true;
    },
    destroy: async () => ask('destroy'),
  };
  const say = () => undefined;
  const log: Log = { info: say, warn: say, debug: say };
  const input = {
    ...{ virsh, log, ended, persistent: false, config: { stopAction, stopTimeoutMs: 60_000 } },
    ...{ agentConnected: () => true, full: () => undefined, panicked: () => false },
    save: async () => {
      ask('save');
      return undefined;
    },
  };
  const stop = (change: Partial<Record<keyof StopInput | keyof typeof virsh, unknown>> = {}) =>
    stopGuest({ ...input, ...change, virsh: { ...virsh, ...change } } as unknown as StopInput);
  return { stop, asked, end };
}

test('a guest whose agent answers is asked by it, once its file systems are written out', async () => {
  const { stop, asked } = guest({ agent: 'shutdown' });
  expect(await stop()).toEqual({ exitCode: 0, state: 'stopped', message: 'the guest shut down' });
  expect(asked).toEqual(['agent after 0 ms']);
});

test('one whose agent could not write them out is asked by it all the same', async () => {
  const { stop, asked } = guest({ agent: 'shutdown' });
  await stop({ flush: async () => false });
  expect(asked).toEqual(['agent after 0 ms']);
});

test('an agent that hangs leaves most of an engine’s ten seconds to the power button', async () => {
  const { stop, asked } = guest({ acpi: 'shutdown' });
  const stopped = stop({ flush: () => NEVER });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked).toEqual(['acpi after 2000 ms']);
  expect(await stopped).toMatchObject({ exitCode: 0 });
});

test('nor does it keep STOP_ACTION=destroy from being done within them', async () => {
  const { stop, asked } = guest({ destroy: 'destroyed' }, 'destroy');
  const stopped = stop({ flush: () => NEVER });
  await vi.advanceTimersByTimeAsync(9_000);
  expect(asked).toEqual(['destroy after 5000 ms']);
  expect(await stopped).toMatchObject({ exitCode: 0, message: expect.stringContaining('STOP_ACTION=destroy') });
});

test('memory is not saved while file systems stand still', async () => {
  const { stop, asked } = guest({}, 'save');
  let thaw: (thawed: boolean) => void = () => undefined;
  const flush = new Promise<boolean>((resolve) => {
    thaw = resolve;
  });
  const stopped = stop({ flush: () => flush });
  await vi.advanceTimersByTimeAsync(12_000);
  expect(asked).toEqual([]);
  thaw(true);
  expect(await stopped).toMatchObject({ exitCode: 0, state: 'saved' });
});

test.for(['crashed', 'failed'] as const)('QEMU that %s during a stop is no shutdown', async (reason) => {
  const { stop } = guest({ agent: reason });
  expect(await stop()).toEqual({ exitCode: 70, state: 'failed', message: 'QEMU ended unexpectedly' });
  const { stop: destroy, end } = guest({}, 'destroy');
  end(reason);
  expect(await destroy()).toMatchObject({ exitCode: 70 });
});

test('nor is a panic', async () => {
  const { stop } = guest({ agent: 'destroyed' });
  expect(await stop({ panicked: () => true })).toEqual({
    exitCode: 70,
    state: 'failed',
    message: 'the guest panicked',
  });
});

test('one that crashed while its memory was to be saved has not shut down', async () => {
  const { stop, end } = guest({});
  const save = async () => {
    end('crashed');
    return 'it is gone';
  };
  const stopped = stop({ persistent: true, save });
  await vi.advanceTimersByTimeAsync(80_000);
  expect(await stopped).toMatchObject({ exitCode: 70 });
});
