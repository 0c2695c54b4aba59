import { expect, test } from 'vitest';
import type { Port } from '../guest/port.ts';
import { everyMeans } from '../testing/networks.ts';
import { lostForwards, lostPing, planForwards } from './forwards.ts';
import type { NetworkMeans } from './mode.ts';

const means: NetworkMeans = { ...everyMeans, unprivilegedPortStart: 1024 };

const ports: readonly Port[] = [
  { protocol: 'tcp', port: 22 },
  { protocol: 'tcp', port: 8080 },
  { protocol: 'udp', port: 53 },
];

test('in Docker every port may be opened by QEMU itself', () => {
  expect(planForwards(ports, { ...means, unprivilegedPortStart: 0 }).map(({ way }) => way)).toEqual([
    'direct',
    'direct',
    'direct',
  ]);
});

test('in Podman the supervisor opens the low ones, TCP and UDP alike', () => {
  expect(planForwards(ports, means)).toEqual([
    { protocol: 'tcp', port: 22, qemuPort: 20022, way: 'relayed' },
    { protocol: 'tcp', port: 8080, qemuPort: 8080, way: 'direct' },
    { protocol: 'udp', port: 53, qemuPort: 20053, way: 'relayed' },
  ]);
});

test('where nobody may open them, each is named with what to add', () => {
  const poor = { ...means, mayBindLow: false };
  const forwards = planForwards(ports, poor);
  expect(forwards.map(({ way }) => way)).toEqual(['inside', 'direct', 'inside']);
  expect(lostForwards(forwards, poor)).toEqual([
    'port 22/tcp cannot be opened: ports below 1024 need a privilege here; add --sysctl net.ipv4.ip_unprivileged_port_start=0',
    expect.stringContaining('port 53/udp'),
  ]);
});

test('a port that something else listens on is left to it', () => {
  const shared = { ...means, portsInUse: new Set(['22/tcp', '50000/udp', '30000/udp']) };
  const forwards = planForwards([...ports, { protocol: 'udp', port: 50_000 }], shared);
  expect(forwards.filter(({ way }) => way === 'inside')).toEqual([
    { protocol: 'tcp', port: 22, qemuPort: 20022, way: 'inside' },
    { protocol: 'udp', port: 50_000, qemuPort: 30_001, way: 'inside' },
  ]);
  expect(lostForwards(forwards, shared)[0]).toContain('something else in the network namespace listens on it');
});

test('what stands in for a low port is never a port that is asked for itself', () => {
  const asked: readonly Port[] = [
    { protocol: 'tcp', port: 22 },
    { protocol: 'tcp', port: 20_022 },
  ];
  expect(planForwards(asked, means).map(({ qemuPort }) => qemuPort)).toEqual([20_023, 20_022]);
});

test('the loss of ping is told only where somebody has looked', () => {
  expect(lostPing(means)).toEqual([]);
  expect(lostPing({ ...means, mayPing: true })).toEqual([]);
  expect(lostPing({ ...means, mayPing: false })).toEqual([expect.stringContaining('ping_group_range')]);
});
