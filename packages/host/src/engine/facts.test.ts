import { expect, test } from 'vitest';
import { parseContainer } from './facts.ts';

const inspected = {
  Id: 'a'.repeat(64),
  Name: '/box',
  State: { Status: 'running', Running: true, ExitCode: 0 },
  Image: 'sha256:1',
  Config: { Labels: { 'io.virtainers.user': 'debian' }, Env: ['PATH=/bin', 'EMPTY=', 'A=b=c'] },
  HostConfig: { NetworkMode: 'default' },
  Mounts: [{ Type: 'bind', Source: '/home/me/.ssh/id.pub', Destination: '/tmp/id_rsa.pub' }],
  NetworkSettings: {
    IPAddress: '172.17.0.2',
    Ports: {
      '22/tcp': [
        { HostIp: '0.0.0.0', HostPort: '2222' },
        { HostIp: '::', HostPort: '2222' },
      ],
      '53/udp': [{ HostIp: '', HostPort: '53' }],
      '80/tcp': null,
      '443/tcp': [{ HostIp: '10.0.0.1', HostPort: '8443' }],
    },
    Networks: { bridge: { IPAddress: '172.17.0.2' }, other: { IPAddress: '172.18.0.2' } },
  },
};

test('a container in our words', () => {
  expect(parseContainer([inspected])).toEqual({
    id: 'a'.repeat(64),
    name: 'box',
    hostname: 'a'.repeat(12),
    running: true,
    exitCode: 0,
    image: 'sha256:1',
    environment: { PATH: '/bin', EMPTY: '', A: 'b=c' },
    labels: { 'io.virtainers.user': 'debian' },
    networkMode: 'default',
    addresses: ['172.17.0.2', '172.18.0.2'],
    published: { 22: { address: '127.0.0.1', port: 2222 }, 443: { address: '10.0.0.1', port: 8443 } },
    mounts: { '/tmp/id_rsa.pub': '/home/me/.ssh/id.pub' },
  });
});

test('Podman leaves out or nulls what it has not', () => {
  const bare = {
    ...inspected,
    Image: 'sha256:1',
    Config: { Labels: null },
    HostConfig: {},
    Mounts: [],
    NetworkSettings: { IPAddress: '', Ports: {}, Networks: null },
  };
  expect(parseContainer([bare])).toMatchObject({ labels: {}, addresses: [], published: {}, mounts: {} });
});
