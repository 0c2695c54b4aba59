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
  [
    "event 'io-error' for domain 'vm': /mounted/a (b).qcow2 (virtio-disk0) pause due to enospc",
    { type: 'full', path: '/mounted/a (b).qcow2' },
  ],
  ["event 'io-error' for domain 'vm': /mounted/local_image.qcow2 (virtio-disk0) pause", undefined],
  ["event 'lifecycle' for domain 'vm': Suspended I/O Error", undefined],
  ["event 'lifecycle' for domain 'vm': Resumed Unpaused", { type: 'resumed' }],
  ["event 'lifecycle' for domain 'other': Stopped Shutdown", undefined],
  ["event 'lifecycle' for domain 'vm': Started Booted", undefined],
  ["event 'rtc-change' for domain 'vm': 0", undefined],
  ['', undefined],
] as const)('%s', ([line, expected]) => {
  expect(parseDomainEvent(line, 'vm')).toEqual(expected);
});
