import { toolMissing } from '@virtainers/core';
import { expect, test } from 'vitest';
import { contextOf, execOf } from '../testing/context.ts';
import { findEngines } from './find.ts';

const DOCKER = 'docker info --format {{json .}}';
const PODMAN = 'podman info --format json';
const dockerInfo = { stdout: JSON.stringify({ ServerVersion: '27', KernelVersion: '6.1.0', SecurityOptions: [] }) };
const podmanInfo = {
  stdout: JSON.stringify({ host: { kernel: '6.1.0', security: { rootless: false } }, version: { Version: '4.3.1' } }),
};

test('those that answer are found, Docker first', async () => {
  const exec = execOf({ [DOCKER]: dockerInfo, [PODMAN]: podmanInfo });
  const engines = await findEngines(contextOf({ exec }));
  expect(engines.map(({ dialect }) => dialect.name)).toEqual(['docker', 'podman']);
});

test('one that is wanted is asked alone', async () => {
  const engines = await findEngines(contextOf({ exec: execOf({ [PODMAN]: podmanInfo }) }), 'podman');
  expect(engines).toHaveLength(1);
});

test('when none answers, the error says what was tried and what to do', async () => {
  const exec = execOf({ [DOCKER]: { exitCode: 1, stdout: '{}', stderr: 'Cannot connect to the Docker daemon' } });
  const missing: typeof exec = (file, args) =>
    file === 'podman' ? Promise.reject(toolMissing(file)) : exec(file, args);
  await expect(findEngines(contextOf({ exec: missing }))).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    message: expect.stringMatching(/docker: Cannot connect.*\n.*podman: podman is not installed/),
    hint: expect.stringContaining('DOCKER_HOST'),
  });
});
