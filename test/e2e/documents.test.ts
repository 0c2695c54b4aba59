import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Engine, startDocker } from '../helpers/engines.ts';
import { cacheHome, repository, tempFolder } from '../helpers/folders.ts';
import { commandsOf } from '../helpers/pages.ts';
import { PATH } from '../helpers/process.ts';
import { makeKey } from '../helpers/ssh.ts';

/**
 * Every command of every page, as a reader would type them: in one shell a page, that stops at the first failure.
 * The reader has Docker, a key under ~/.ssh and `virtainers` on the PATH.
 */
const PAGES = [
  'README.md',
  'docs/baking.md',
  'docs/running.md',
  'docs/persistence.md',
  'docs/networking.md',
  'docs/cloud-init.md',
  'docs/console.md',
];

let docker: Engine;
let home: string;
let path: string;

beforeAll(async () => {
  docker = await startDocker();
  home = await tempFolder('reader');
  await mkdir(join(home, '.ssh'), { mode: 0o700 });
  const { key, publicKey } = await makeKey(home);
  await copyFile(key, join(home, '.ssh/id_ed25519'));
  await copyFile(publicKey, join(home, '.ssh/id_ed25519.pub'));
  // ssh reads the home from the password database, not from HOME.
  await writeFile(join(home, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -i ${home}/.ssh/id_ed25519 "$@"\n`, { mode: 0o755 });
  await symlink(join(repository, 'packages/cli/bin/virtainers.mjs'), join(home, 'virtainers'));
  path = `${home}:${PATH}`;
});

afterAll(() => docker?.stop());

test.for(PAGES)('%s', { timeout: 1_200_000 }, async (page) => {
  const commands = await commandsOf(page);
  expect(commands).not.toBe('');
  const { exitCode, stdout, stderr } = await docker.exec('bash', ['-euxo', 'pipefail', '-c', commands], {
    cwd: home,
    env: { HOME: home, PATH: path, XDG_CACHE_HOME: cacheHome },
    allowFailure: true,
  });
  expect(exitCode, `${stdout.slice(-3000)}\n${stderr.slice(-3000)}`).toBe(0);
});
