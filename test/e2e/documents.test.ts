import { chown, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Engine, type EngineName, startEngine } from '../helpers/engines.ts';
import { cacheHome } from '../helpers/folders.ts';
import { type Lan, makeLan } from '../helpers/lan.ts';
import { serveMirror } from '../helpers/mirror.ts';
import { readPage } from '../helpers/pages.ts';
import { PATH } from '../helpers/process.ts';
import { makeKey } from '../helpers/ssh.ts';
import { bakedImage, COMMAND } from '../helpers/virtainer.ts';

/**
 * Every command of every page, as a reader would type them: in one shell a page, that stops at the first failure.
 * The reader has an engine, a key under ~/.ssh and `virtainers` on the PATH.
 */
interface Reader {
  readonly engine: Engine;
  readonly home: string;
}

async function makeReader(name: EngineName): Promise<Reader> {
  const engine = await startEngine(name);
  const home = await engine.folder('reader');
  await mkdir(join(home, '.ssh'), { mode: 0o700 });
  const { key, publicKey } = await makeKey(home);
  const keys = [join(home, '.ssh/id_ed25519'), join(home, '.ssh/id_ed25519.pub')] as const;
  await copyFile(key, keys[0]);
  await copyFile(publicKey, keys[1]);
  // ssh reads the home from the password database, not from HOME.
  await writeFile(join(home, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -i ${home}/.ssh/id_ed25519 "$@"\n`, { mode: 0o755 });
  await symlink(COMMAND, join(home, 'virtainers'));
  const { owner } = engine;
  for (const path of [join(home, '.ssh'), ...keys]) await chown(path, owner.uid, owner.gid);
  return { engine, home };
}

async function follow({ engine, home }: Reader, path: string, lan?: Lan): Promise<void> {
  const { script, files } = await readPage(path, lan?.enter);
  expect(script).not.toBe('');
  for (const { name, text } of files) await writeFile(join(home, name), text);
  const { exitCode, stdout, stderr } = await engine.exec('bash', ['-euxo', 'pipefail', '-c', script], {
    cwd: home,
    env: { HOME: home, PATH: `${home}:${PATH}`, ...(engine.owner.uid === 0 ? { XDG_CACHE_HOME: cacheHome } : {}) },
    allowFailure: true,
  });
  expect(exitCode, `${stdout.slice(-3000)}\n${stderr.slice(-3000)}`).toBe(0);
}

/** For pages that begin with an image that is there. */
async function loadDebian({ engine }: Reader): Promise<void> {
  await engine.load((await bakedImage('debian:13-packages')).archive);
}

const limits = { timeout: 1_200_000 };

describe('Docker', () => {
  let reader: Reader;

  beforeAll(async () => {
    reader = await makeReader('docker');
  });

  afterAll(() => reader?.engine.stop());

  test.for([
    'README.md',
    'docs/baking.md',
    'docs/running.md',
    'docs/persistence.md',
    'docs/cloud-init.md',
    'docs/console.md',
    'docs/networking.md',
    'docs/networking/plain.md',
    'docs/networking/own-network.md',
    'docs/networking/fixed-address.md',
  ])('%s', limits, (page) => follow(reader, page));

  describe('with a mirror of Debian', () => {
    let mirror: Awaited<ReturnType<typeof serveMirror>>;

    beforeAll(async () => {
      mirror = await serveMirror(reader.engine);
      await loadDebian(reader);
    });

    afterAll(() => mirror?.end());

    test('docs/networking/docker-inside.md', limits, () => follow(reader, 'docs/networking/docker-inside.md'));
  });

  describe('on a LAN', () => {
    let lan: Lan;

    beforeAll(async () => {
      lan = await makeLan(reader.engine);
      await loadDebian(reader);
    });

    afterAll(() => lan?.end());

    test.for([
      'docs/networking/lan-range.md',
      'docs/networking/lan-macvlan.md',
      // It moves the address of eth0, and comes last.
      'docs/networking/host-bridge.md',
    ])('%s', limits, (page) => follow(reader, page, lan));
  });
});

describe.each([
  ['podman', 'docs/networking/kubernetes.md'],
  ['podman-rootless', 'docs/networking/rootless.md'],
] as const)('%s', (name, page) => {
  let reader: Reader;

  beforeAll(async () => {
    reader = await makeReader(name);
    await loadDebian(reader);
  });

  afterAll(() => reader?.engine.stop());

  test(page, limits, () => follow(reader, page));
});
