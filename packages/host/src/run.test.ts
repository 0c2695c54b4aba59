import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandFailed, type Exec, makeExec, quote } from '@virtainers/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { prepareRun, printRun, type RunRequest, startRun } from './run.ts';
import { contextOf, execOf } from './testing/context.ts';

const ID = `sha256:${'b'.repeat(64)}`;
const info = { stdout: JSON.stringify({ ServerVersion: '27', KernelVersion: 'another', SecurityOptions: [] }) };
const virtainer = { stdout: JSON.stringify([{ Id: ID, Config: { Labels: { 'io.virtainers.name': 'debian:13' } } }]) };
const ordinary = { stdout: JSON.stringify([{ Id: ID, Config: { Labels: null } }]) };
const missing = { exitCode: 1, stdout: '[]\n', stderr: 'Error: No such image: x' };
const found = {
  'docker info --format {{json .}}': info,
  'docker image inspect virtainers/debian:13': virtainer,
  'docker ps --all --format {{.Names}}': { stdout: 'debian-13\n' },
  'docker volume inspect debian-13-2-data': missing,
};
const request: RunRequest = {
  image: 'debian:13',
  engine: 'docker',
  catalogue: [{ name: 'debian:13', aliases: ['debian:trixie'] }],
  shares: [],
  publish: [],
  disks: [],
  networks: [],
  addresses: [],
  privileged: false,
  env: [],
  remove: false,
};

test('an alias, a free name and the notes', async () => {
  const plan = await prepareRun(contextOf({ exec: execOf(found) }), { ...request, image: 'debian:trixie' }, false);
  expect(plan.name).toBe('debian-13-2');
  expect(plan.notes).toEqual([
    'no SSH key found in ~/.ssh: the guest prints a one-time password (docker logs debian-13-2)',
    'docker runs containers on another machine: no device is handed over; --privileged gives all',
  ]);
});

test('a catalogue name that was not baked says how', async () => {
  const exec = execOf({
    'docker info --format {{json .}}': info,
    'docker image inspect virtainers/debian:13': missing,
    'docker image inspect debian:13': ordinary,
  });
  await expect(prepareRun(contextOf({ exec }), request, false)).rejects.toMatchObject({
    code: 'IMAGE_UNKNOWN',
    hint: 'make it: virtainers bake debian:13 --load docker',
  });
});

test('a name nobody knows is not pulled from anywhere', async () => {
  const exec = execOf({
    'docker info --format {{json .}}': info,
    'docker image inspect virtainers/alpine': missing,
    'docker image inspect alpine': missing,
  });
  await expect(prepareRun(contextOf({ exec }), { ...request, image: 'alpine' }, false)).rejects.toMatchObject({
    code: 'IMAGE_UNKNOWN',
  });
});

test('a reference is pulled, and must hold a virtual machine', async () => {
  const exec = execOf({
    'docker info --format {{json .}}': info,
    'docker image inspect registry.example/web:1': ordinary,
  });
  const wrong = { ...request, image: 'registry.example/web:1' };
  await expect(prepareRun(contextOf({ exec }), wrong, false)).rejects.toThrow('an ordinary container image');
});

test('a user-data file that is missing is found out before the engine makes a folder of it', async () => {
  const wrong = { ...request, userData: '/nonexistent/user-data' };
  await expect(prepareRun(contextOf({ exec: execOf(found) }), wrong, false)).rejects.toMatchObject({
    code: 'ARGUMENTS_BAD',
  });
});

test('a share that is not there is found out before the engine is asked to run', async () => {
  const wrong = { ...request, shares: [{ host: '/nonexistent/src', guest: '/srv', readonly: false }] };
  await expect(prepareRun(contextOf({ exec: execOf(found) }), wrong, false)).rejects.toMatchObject({
    code: 'ARGUMENTS_BAD',
    message: '--share: /nonexistent/src: no such folder',
  });
});

test.each<[string, Partial<RunRequest>, string]>([
  ['--ip needs a network of its own', { addresses: ['10.0.0.9'] }, '--ip: give --network too'],
  ['--ip on the default network', { networks: ['bridge'], addresses: ['10.0.0.9'] }, '--ip: give --network too'],
  ['no address', { networks: ['lab'], addresses: ['ten'] }, '--ip: "ten" is no address'],
  ['two of a family', { networks: ['lab'], addresses: ['10.0.0.8', '10.0.0.9'] }, '--ip: one IPv4 address'],
  ["the host's among others", { networks: ['lab', 'host'] }, '--network: host cannot be joined with others'],
  ['an option among others', { networks: ['lab', 'zoo:mac=1'] }, '--network: zoo:mac=1 cannot be joined'],
  ['twice the same', { networks: ['lab', 'lab'] }, '--network: lab is given twice'],
])('%s', async (_name, changes, message) => {
  const asked = { ...request, ...changes };
  await expect(prepareRun(contextOf({ exec: execOf(found) }), asked, false)).rejects.toMatchObject({
    code: 'ARGUMENTS_BAD',
    message: expect.stringContaining(message),
  });
});

test('everything that is wrong with the networks is said at once', async () => {
  const asked = { ...request, networks: ['host', 'lab', 'lab'], addresses: ['ten'] };
  await expect(prepareRun(contextOf({ exec: execOf(found) }), asked, false)).rejects.toMatchObject({
    message: expect.stringMatching(/host cannot be joined.*\n.*given twice\n.*no address\n.*give --network too/),
  });
});

const lab = [{ Name: 'lab', Driver: 'bridge', IPAM: { Config: [{ Subnet: '10.9.0.0/24', Gateway: '10.9.0.1' }] } }];

test.each([
  ['10.8.0.9', '10.8.0.9 is not on the network lab, which has 10.9.0.0/24'],
  ['fd00::9', 'fd00::9 is not on the network lab'],
  ['10.9.0.1', '10.9.0.1 is the gateway of the network lab'],
])('an address that the network has not: %s', async (address, message) => {
  const exec = execOf({ ...found, 'docker network inspect lab': { stdout: JSON.stringify(lab) } });
  const asked = { ...request, networks: ['lab'], addresses: [address] };
  await expect(prepareRun(contextOf({ exec }), asked, false)).rejects.toThrow(message);
});

test('a network that is not there says how to make it; to print the command it need not be', async () => {
  const exec = execOf({
    ...found,
    'docker network inspect lab': { ...missing, stderr: 'Error: No such network: lab' },
  });
  const asked = { ...request, networks: ['lab'] };
  await expect(prepareRun(contextOf({ exec }), asked, false)).rejects.toMatchObject({
    code: 'NETWORK_UNKNOWN',
    hint: expect.stringContaining('virtainers network create lab --engine docker'),
  });
  expect(printRun(await prepareRun(contextOf({ exec }), asked, true))).toContain('--network lab');
});

test('an older Docker with several networks: the commands that do it, and whose order it is', async () => {
  const plan = await prepareRun(contextOf({ exec: execOf(found) }), { ...request, networks: ['zoo', 'lab'] }, true);
  expect(printRun(plan)).toMatch(
    /^docker create .* --network zoo .* &&\ndocker network connect lab debian-13-2 &&\ndocker start debian-13-2$/,
  );
  expect(plan.notes.at(-1)).toContain('docker 27 orders interfaces by the names of their networks (lab, zoo)');
  const sorted = await prepareRun(contextOf({ exec: execOf(found) }), { ...request, networks: ['lab', 'zoo'] }, true);
  expect(sorted.notes.join()).not.toContain('orders');
});

test('a container that cannot be connected is not left behind', async () => {
  const calls: string[] = [];
  const known = execOf({
    ...found,
    ...Object.fromEntries(
      ['lab', 'zoo'].map((name) => [`docker network inspect ${name}`, { stdout: JSON.stringify(lab) }]),
    ),
  });
  const exec: Exec = async (file, args, options) => {
    const line = [file, ...args].join(' ');
    if (!/^docker (create|network connect|rm|start)/.test(line)) return known(file, args, options);
    calls.push(line);
    if (line.startsWith('docker network')) throw commandFailed([file, ...args], 'exit code 1', 'no address is left');
    return { stdout: `${'c'.repeat(64)}\n`, stderr: '', exitCode: 0 };
  };
  const plan = await prepareRun(contextOf({ exec }), { ...request, networks: ['lab', 'zoo'] }, false);
  await expect(startRun(plan, undefined)).rejects.toThrow('no address is left');
  expect(calls.at(-1)).toBe(`docker rm --force ${'c'.repeat(64)}`);
});

test('--print gives a line that a shell reads as the same words', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers it’s '));
  await writeFile(join(folder, 'key.pub'), 'ssh-ed25519 AAAAC3Nz me\n');
  const exec = execOf({ ...found, 'docker volume inspect box-data': missing });
  const asked = { ...request, name: 'box', sshKey: join(folder, 'key.pub'), env: ["PASSWORD=it's $HOME; `x`"] };
  const plan = await prepareRun(contextOf({ exec }), asked, true);
  expect(await shellWords(printRun(plan))).toEqual(['docker', ...plan.commands.flat()]);
});

test('whatever the words, a shell reads them back', async () => {
  const word = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !text.includes('\0'));
  await fc.assert(
    fc.asyncProperty(fc.array(word, { minLength: 1, maxLength: 8 }), async (words) => {
      expect(await shellWords(words.map(quote).join(' '))).toEqual(words);
    }),
    { numRuns: 60 },
  );
});

async function shellWords(line: string): Promise<string[]> {
  const { stdout } = await makeExec()('sh', ['-c', `printf '%s\\0' ${line}`]);
  return stdout.split('\0').slice(0, -1);
}
