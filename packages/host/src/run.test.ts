import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeExec, quote } from '@virtainers/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { prepareRun, printRun, type RunRequest } from './run.ts';
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
  publish: [],
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

test('--print gives a line that a shell reads as the same words', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers it’s '));
  await writeFile(join(folder, 'key.pub'), 'ssh-ed25519 AAAAC3Nz me\n');
  const exec = execOf({ ...found, 'docker volume inspect box-data': missing });
  const asked = { ...request, name: 'box', sshKey: join(folder, 'key.pub'), env: ["PASSWORD=it's $HOME; `x`"] };
  const plan = await prepareRun(contextOf({ exec }), asked, true);
  expect(await shellWords(printRun(plan))).toEqual(['docker', ...plan.args]);
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
