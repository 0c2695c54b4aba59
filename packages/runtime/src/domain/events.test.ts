import { expect, test } from 'vitest';
import { parseDomainEvent, parseLastReason } from './events.ts';

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

test.each([
  ['2026-01-02 03:04:05.678+0000: starting up libvirt version: 11.3.0\n', undefined],
  [
    '2026-01-02 03:04:05.678+0000: starting up \n2026-01-02 03:05:05.678+0000: shutting down, reason=shutdown\n',
    'shutdown',
  ],
  ['x: shutting down, reason=saved\nx: starting up \n', undefined],
  ['x: shutting down, reason=shutdown\nx: starting up \nx: shutting down, reason=crashed\n', 'crashed'],
  ['x: shutting down, reason=daemon\n', 'failed'],
  ['', undefined],
])("libvirt's own log of a domain tells how it ended", (log, reason) => {
  expect(parseLastReason(log)).toBe(reason);
});
