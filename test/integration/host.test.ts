import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import type { Status } from '@virtainers/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  findContainer,
  type HostContext,
  listAddresses,
  prepareRun,
  printRun,
  type RunRequest,
  startRun,
  waitUntilReady,
} from '../../packages/host/src/index.ts';
import { ENGINES, type Engine, startEngine } from '../helpers/engines.ts';
import { TINY, tinyImage } from '../helpers/tiny-image.ts';

/** Stands in for the supervisor: what the command asks it, answered by a shell script. */
const SUPERVISOR = `#!/bin/sh
say() {
  echo '{"formatVersion":1,"life":"1","state":"'$1'","since":"2026-01-01T00:00:00Z","vmName":"vm","driver":"system","timings":{}}'
}
case "$2" in
  status) say booting; say ready ;;
  *) cat /tmp/id_rsa.pub; [ -z "$FAIL" ] || exit "$FAIL"; trap 'exit 0' TERM; sleep 600 & wait ;;
esac
`;

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB person@test';

describe.each(ENGINES)('%s', (name) => {
  let engine: Engine;
  let context: HostContext;
  let request: RunRequest;

  beforeAll(async () => {
    engine = await startEngine(name);
    await engine.load(await tinyImage());
    await makeStandIn(engine);
    const home = await engine.folder('home');
    await mkdir(join(home, '.ssh'));
    await writeFile(join(home, '.ssh', 'id_ed25519.pub'), `${KEY}\n`);
    const nothing = () => undefined;
    const log = { info: nothing, warn: nothing, debug: nothing };
    context = { exec: engine.exec, spawn: engine.spawn, log, env: engine.env, home, kernel: release() };
    request = {
      ...{ image: 'stand-in:1', catalogue: [], engine: engine.kind },
      ...{ disks: [], shares: [], publish: [], networks: [], addresses: [], privileged: false, env: [], remove: false },
    };
  });

  afterAll(() => engine?.stop());

  async function start(changes: Partial<RunRequest>) {
    const plan = await prepareRun(context, { ...request, ...changes }, false);
    await startRun(plan, changes.data);
    return findContainer(context, plan.name, engine.kind);
  }

  test('runs with everything asked for, hands over the key, waits until it is ready', async () => {
    const found = await start({ memoryMiB: 2048, cpus: 2, publish: ['127.0.0.1::80'], env: ['DEBUG=yes'] });
    expect(found.facts).toMatchObject({ name: 'stand-in-1', running: true });
    const states: Status['state'][] = [];
    await waitUntilReady(context, found, ({ state }) => states.push(state));
    expect(states).toEqual(['booting', 'ready']);
    expect(await engine.command('logs', 'stand-in-1')).toBe(KEY);
    const environment = await engine.command('inspect', '--format', '{{json .Config.Env}}', 'stand-in-1');
    for (const value of ['RAM=2048', 'CPU=2', 'DEBUG=yes']) expect(environment).toContain(value);
    expect(environment).toMatch(/VIRTAINERS_REFERENCE=(localhost\/)?virtainers\/stand-in:1/);
    expect(await engine.command('volume', 'ls', '--quiet')).toBe('stand-in-1-data');
    expect(found.facts.published[80]?.port).toBeGreaterThan(0);
  });

  test('a second one gets a free name and an address that SSH can be tried at', async () => {
    const found = await start({});
    expect(found.facts.name).toBe('stand-in-1-2');
    const [address] = listAddresses(context, found);
    expect(address?.host).toMatch(name === 'podman-rootless' ? /^127\.0\.0\.1$/ : /^\d+\.\d+\.\d+\.\d+$/);
  });

  test('a folder that is not there yet keeps the data', async () => {
    const data = join(await engine.folder('data'), 'box');
    const found = await start({ name: 'folder', data, remove: true });
    expect(found.facts.mounts['/mounted']).toBe(data);
  });

  test('a container that ends before it is ready: its exit code, and its last words', async () => {
    const found = await start({ name: 'broken', env: ['FAIL=78'] });
    await engine.command('wait', 'broken');
    await expect(waitUntilReady(context, found)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(KEY),
    });
  });

  test('an ordinary container, and one that is not there', async () => {
    await engine.command('run', '--detach', '--name', 'ordinary', TINY, 'sleep', '600');
    await expect(findContainer(context, 'ordinary')).rejects.toThrow('is not a virtainer');
    await expect(findContainer(context, 'absent')).rejects.toThrow('no container is called absent');
  });

  test('what is printed is what a shell would run', async () => {
    const plan = await prepareRun(context, { ...request, name: 'printed', env: ["A=it's; $HOME"] }, true);
    await engine.exec('sh', ['-c', printRun(plan)]);
    const environment = await engine.command('inspect', '--format', '{{json .Config.Env}}', 'printed');
    expect(JSON.parse(environment)).toContain("A=it's; $HOME");
  });
});

async function makeStandIn(engine: Engine): Promise<void> {
  const script = join(await engine.folder('script'), 'node');
  await writeFile(script, SUPERVISOR);
  await chmod(script, 0o755);
  await engine.command('create', '--name', 'template', TINY);
  await engine.command('cp', script, 'template:/bin/node');
  const labels = ['LABEL io.virtainers.name=stand-in:1', 'LABEL io.virtainers.user=person'];
  const changes = [...labels, 'ENTRYPOINT ["/bin/node"]', 'CMD []'].flatMap((change) => ['--change', change]);
  await engine.command('commit', ...changes, 'template', 'virtainers/stand-in:1');
  await engine.command('rm', 'template');
}
