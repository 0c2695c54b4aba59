import { expect, test } from 'vitest';
import { parseDomainEvent } from './events.ts';

test.for([
  ["event 'lifecycle' for domain 'vm': Stopped Shutdown", { type: 'stopped', reason: 'shutdown' }],
  ["event 'lifecycle' for domain 'vm': Stopped Destroyed", { type: 'stopped', reason: 'destroyed' }],
  ["event 'lifecycle' for domain 'vm': Stopped Crashed", { type: 'stopped', reason: 'crashed' }],
  ["event 'lifecycle' for domain 'vm': Stopped Failed", { type: 'stopped', reason: 'failed' }],
  ["event 'lifecycle' for domain 'vm': Crashed Panicked", { type: 'panicked' }],
  ["event 'reboot' for domain 'vm'", { type: 'rebooted' }],
  [
    "event 'agent-lifecycle' for domain 'vm': state: 'connected' reason: 'channel event'",
    { type: 'agent', connected: true },
  ],
  [
    "event 'agent-lifecycle' for domain 'vm': state: 'disconnected' reason: 'domain started'",
    { type: 'agent', connected: false },
  ],
  ["event 'lifecycle' for domain 'other': Stopped Shutdown", undefined],
  ["event 'lifecycle' for domain 'vm': Started Booted", undefined],
  ["event 'rtc-change' for domain 'vm': 0", undefined],
  ['', undefined],
] as const)('%s', ([line, expected]) => {
  expect(parseDomainEvent(line, 'vm')).toEqual(expected);
});
