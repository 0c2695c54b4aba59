import { join } from 'node:path';
import type { ExecResult } from '@virtainers/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Engine, startEngine } from '../helpers/engines.ts';
import { bakedImage, COMMAND } from '../helpers/virtainer.ts';

/**
 * There are three ways to a guest: the container's address, as README.md and the pages go in Docker, a port that the command
 * publishes, as docs/networking/rootless.md goes, and this one.
 */
describe('virtainers with podman-rootless, by a pipe through the engine', () => {
  let engine: Engine;
  let key: string;

  beforeAll(async () => {
    const { archive } = await bakedImage('debian:13-packages');
    engine = await startEngine('podman-rootless');
    await engine.load(archive);
    key = join(await engine.folder('key'), 'id');
    await engine.exec('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  });

  afterAll(() => engine?.stop());

  function virtainers(...args: string[]): Promise<ExecResult> {
    return engine.exec(process.execPath, [COMMAND, ...args], { allowFailure: true });
  }

  test('run, wait, ssh, and a stop', async () => {
    const image = ['debian:13-packages', '--engine', engine.kind, '--name', 'box', '--ssh-key', `${key}.pub`];
    const run = await virtainers('run', ...image, '--publish', '127.0.0.1::80', '--wait');
    expect(run, run.stderr).toMatchObject({ exitCode: 0, stdout: 'box\n' });
    expect(run.stderr).toContain('box: ready');

    const status = await virtainers('wait', 'box', '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({ state: 'ready', user: 'debian' });

    const login = await virtainers('ssh', 'box', 'whoami; cloud-init status');
    expect(login, login.stderr).toMatchObject({ exitCode: 0, stdout: 'debian\nstatus: done\n' });
    expect((await virtainers('ssh', 'box', 'exit 7')).exitCode).toBe(7);

    await engine.command('stop', 'box');
    const stopped = await virtainers('ssh', 'box');
    expect(stopped).toMatchObject({ exitCode: 69, stderr: expect.stringContaining('is not running (exit code 0)') });
  });
});
