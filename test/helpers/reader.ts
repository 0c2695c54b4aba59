import { chown, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Engine, type EngineName, startEngine } from './engines.ts';
import { cacheHome } from './folders.ts';
import type { Lan } from './lan.ts';
import { readPage } from './pages.ts';
import { PATH } from './process.ts';
import { makeKey } from './ssh.ts';
import { bakedImage, COMMAND } from './virtainer.ts';

/** Who reads the documents: has an engine, a key under ~/.ssh, and `virtainers` on the PATH. */
export interface Reader {
  readonly engine: Engine;
  readonly home: string;
}

export async function makeReader(name: EngineName): Promise<Reader> {
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
  // Where mirror.ts is, for those who bake.
  await writeFile(join(home, 'apt.conf'), `Acquire::http::Proxy "http://${engine.host}";\n`);
  const { owner } = engine;
  for (const path of [join(home, '.ssh'), ...keys]) await chown(path, owner.uid, owner.gid);
  return { engine, home };
}

/** Types every command of a page into one shell, which stops at the first failure. */
export async function follow({ engine, home }: Reader, path: string, lan?: Lan): Promise<void> {
  const { script, files } = await readPage(path, lan?.enter);
  expect(script).not.toBe('');
  for (const { name, text } of files) await writeFile(join(home, name), text);
  const { exitCode, stdout, stderr } = await engine.exec('bash', ['-euxo', 'pipefail', '-c', script], {
    cwd: home,
    env: {
      HOME: home,
      PATH: `${home}:${PATH}`,
      APT_CONFIG: join(home, 'apt.conf'),
      ...(engine.owner.uid === 0 ? { XDG_CACHE_HOME: cacheHome } : {}),
    },
    allowFailure: true,
  });
  expect(exitCode, `${stdout.slice(-3000)}\n${stderr.slice(-3000)}`).toBe(0);
}

/** For pages that begin with an image that is there. */
export async function loadDebian({ engine }: Reader): Promise<void> {
  await engine.load((await bakedImage('debian:13-packages')).archive);
}
