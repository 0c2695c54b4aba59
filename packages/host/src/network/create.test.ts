import type { Exec } from '@virtainers/core';
import { toolMissing } from '@virtainers/core';
import { expect, test } from 'vitest';
import { contextOf, execOf } from '../testing/context.ts';
import { IP_ANSWERS } from '../testing/networks.ts';
import { createNetwork, type NetworkRequest } from './create.ts';

const request: NetworkRequest = {
  name: 'lab',
  subnet: [],
  ipRange: [],
  gateway: [],
  external: false,
  engine: 'docker',
};
const dockerInfo = { ServerVersion: '27.1', KernelVersion: '6.1.0', SecurityOptions: [] };
const podmanInfo = { host: { kernel: '6.1.0', security: { rootless: false } }, version: { Version: '4.3.1' } };
const dockerNetworks = [
  { Name: 'bridge', Driver: 'bridge', IPAM: { Config: [{ Subnet: '172.17.0.0/16' }] } },
  { Name: 'host', Driver: 'host', IPAM: { Config: null } },
  { Name: 'old', Driver: 'bridge', IPAM: { Config: [{ Subnet: '172.28.0.0/24', Gateway: '172.28.0.1' }] } },
];
const podmanNetworks = [
  { name: 'podman', driver: 'bridge', subnets: [{ subnet: '172.28.1.0/24', gateway: '172.28.1.1' }] },
];
const answers = {
  ...IP_ANSWERS,
  'docker info --format {{json .}}': { stdout: JSON.stringify(dockerInfo) },
  'docker network ls --quiet': { stdout: 'aa\nbb\ncc\n' },
  // One of them went meanwhile.
  'docker network inspect aa bb cc': { exitCode: 1, stdout: JSON.stringify(dockerNetworks), stderr: 'no such network' },
  'podman info --format json': { stdout: JSON.stringify(podmanInfo) },
  'podman network ls --quiet': { stdout: 'dd\n' },
  'podman network inspect dd': { stdout: JSON.stringify(podmanNetworks) },
};

function creating(changes: Partial<typeof answers> = {}): { exec: Exec; made: string[] } {
  const made: string[] = [];
  const known = execOf({ ...answers, ...changes });
  const exec: Exec = async (file, args, options) => {
    if (args[1] !== 'create') return known(file, args, options);
    made.push([file, ...args].join(' '));
    return { stdout: 'id\n', stderr: '', exitCode: 0 };
  };
  return { exec, made };
}

const MADE = 'docker network create --driver bridge --label io.virtainers.network=1';

test("a free subnet is clear of both engines' networks", async () => {
  const { exec, made } = creating();
  const { engine, plan } = await createNetwork(contextOf({ exec }), request);
  expect([engine, plan.name, plan.driver]).toEqual(['docker', 'lab', 'bridge']);
  expect(made).toEqual([`${MADE} --subnet 172.28.2.0/24 --gateway 172.28.2.1 lab`]);
});

test('an overlap with the other engine is refused before anything is made', async () => {
  const { exec, made } = creating();
  const attempt = createNetwork(contextOf({ exec }), { ...request, subnet: ['172.28.0.0/16'] });
  await expect(attempt).rejects.toMatchObject({
    code: 'NETWORK_OVERLAPS',
    message: expect.stringMatching(
      /172\.28\.0\.0\/24: docker's network old\n.*172\.28\.1\.0\/24: podman's network podman/,
    ),
  });
  expect(made).toEqual([]);
});

test('a name that is taken: what has it, and what to do', async () => {
  const { exec } = creating();
  await expect(createNetwork(contextOf({ exec }), { ...request, name: 'old' })).rejects.toMatchObject({
    code: 'NETWORK_EXISTS',
    message: 'docker has a network old already: bridge, 172.28.0.0/24',
    hint: expect.stringContaining('docker network rm old'),
  });
});

test('an engine on another machine: only its own networks are looked at', async () => {
  const { exec, made } = creating();
  const { notes } = await createNetwork(contextOf({ exec, kernel: 'another' }), {
    ...request,
    subnet: ['192.168.2.0/24'],
  });
  expect(made).toHaveLength(1);
  expect(notes).toEqual([expect.stringContaining('docker runs containers on another machine')]);
});

test('the other engine need not be there, nor be understood', async () => {
  const absent = creating();
  const exec: Exec = (file, args, options) =>
    file === 'podman' ? Promise.reject(toolMissing(file)) : absent.exec(file, args, options);
  await createNetwork(contextOf({ exec }), { ...request, subnet: ['172.28.1.0/24'] });
  expect(absent.made).toHaveLength(1);

  const warnings: string[] = [];
  const odd = creating({ 'podman network inspect dd': { stdout: '[{"cniVersion":"0.4.0"}]' } });
  const log = { info: () => undefined, debug: () => undefined, warn: (line: string) => void warnings.push(line) };
  await createNetwork(contextOf({ exec: odd.exec, log }), { ...request, subnet: ['172.28.1.0/24'] });
  expect(odd.made).toHaveLength(1);
  expect(warnings).toEqual([expect.stringContaining('the networks of podman cannot be read')]);
});
