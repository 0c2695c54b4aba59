import { Readable } from 'node:stream';
import type { Child, State } from '@virtainers/core';
import { expect, test } from 'vitest';
import type { EngineClient } from './engine/client.ts';
import { docker } from './engine/docker.ts';
import type { ContainerFacts } from './engine/facts.ts';
import { containerOf } from './testing/container.ts';
import { contextOf } from './testing/context.ts';
import { waitUntilReady } from './wait.ts';

function line(state: State, more: object = {}): string {
  const status = {
    formatVersion: 1,
    life: '1',
    state,
    since: '2026-01-01T00:00:00Z',
    vmName: 'vm',
    driver: 'system',
    timings: {},
  };
  return `${JSON.stringify({ ...status, ...more })}\n`;
}

/** As a later version of the supervisor may say it. */
const newer = line('ready', { state: 'migrated', destination: 'there' });

/** A container whose supervisor prints `lines`, then ends; `after` is what the engine says of it then. */
function container(lines: string[], after: Partial<ContainerFacts> | undefined, stderr = '') {
  const child: Child = {
    pid: 1,
    stdin: null,
    stdout: Readable.from(lines),
    stderr: Readable.from([stderr]),
    exited: Promise.resolve({ exitCode: 0, signal: null }),
    kill: () => undefined,
  };
  const client: Partial<EngineClient> = {
    dialect: docker,
    spawn: () => child,
    container: async () => (after ? containerOf(after) : undefined),
    logTail: async () => ['the last words'],
  };
  return { client: client as EngineClient, facts: containerOf({}) };
}

test('ready, and every state on the way is told', async () => {
  const seen: State[] = [];
  const found = container([line('booting'), 'noise\n', line('network'), line('ready'), line('stopping')], {});
  const status = await waitUntilReady(contextOf({}), found, ({ state }) => seen.push(state));
  expect(status.state).toBe('ready');
  expect(seen).toEqual(['booting', 'network', 'ready']);
});

test('a newer supervisor is followed past fields and states that are not known', async () => {
  const lines = [line('booting', { snapshots: [1] }), newer, line('ready')];
  const status = await waitUntilReady(contextOf({}), container(lines, {}));
  expect(status.state).toBe('ready');
});

test('what cannot be understood says what to do instead of how it was read', async () => {
  const waiting = waitUntilReady(contextOf({}), container(['{"formatVersion":2}\n'], {}));
  await expect(waiting).rejects.toMatchObject({ hint: expect.stringContaining('newer virtainers') });
});

test.each([
  ['degraded', [line('degraded', { message: 'no address' })], {}, 'GUEST_DEGRADED', 'box is degraded: no address'],
  ['failed, with its code', [line('failed', { exitCode: 73 })], {}, 'DATA_UNWRITABLE', 'box is failed'],
  ['failed, without', [line('failed')], {}, 'GUEST_CRASHED', 'box is failed'],
  ['stopped', [line('stopped', { exitCode: 0 })], {}, 'CONTAINER_STOPPED', 'box is stopped'],
  ['not running', [], { running: false, exitCode: 78 }, 'CONFIG_INVALID', 'not running (exit code 78)'],
  ['ended by itself', [], { running: false, exitCode: 0 }, 'CONTAINER_STOPPED', 'not running (exit code 0)'],
  ['silent', [], { running: true }, 'COMMAND_FAILED', 'no such file'],
  ['no supervisor', ['{"formatVersion":"x"}\n'], {}, 'COMMAND_FAILED', 'it answered {"formatVersion":"x"}'],
  [
    'of a newer format',
    ['{"formatVersion":2,"phase":9}\n', line('ready')],
    {},
    'COMMAND_FAILED',
    'has format version 2, ',
  ],
  ['last in a newer state', [line('booting'), newer], {}, 'COMMAND_FAILED', 'has the state "migrated", which this'],
  ['removed', [], undefined, 'CONTAINER_UNKNOWN', 'was removed'],
] as const)('%s', async (_name, lines, after, code, message) => {
  const found = container([...lines], after, lines.length > 0 ? '' : 'no such file');
  await expect(waitUntilReady(contextOf({}), found)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(message),
  });
});

test('the last lines of the log are in the error', async () => {
  await expect(waitUntilReady(contextOf({}), container([line('failed')], {}))).rejects.toThrow('the last words');
});
