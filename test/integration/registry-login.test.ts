import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeExec, makeLog } from '@virtainers/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { inspectImage } from '../../packages/builder/src/inspect.ts';
import { findBaseImage } from '../../packages/builder/src/publish/base-image.ts';
import { takeDisks } from '../../packages/builder/src/publish/image-disks.ts';
import { mountLayers } from '../../packages/builder/src/publish/mount.ts';
import { openOrigin } from '../../packages/builder/src/publish/open-origin.ts';
import { publishDisk } from '../../packages/host/src/publish/publish.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { LOGIN, type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';
import { hostContext, makeData, noise, write } from './publish-samples.ts';

const SECRETS = [LOGIN.password, Buffer.from(`${LOGIN.name}:${LOGIN.password}`).toString('base64')];
let folder: string;
let registry: Registry;
let runtime: string;
/** Everything that was said while somebody was logged in, argv and debug lines too. */
const said: string[] = [];
let somebody: BuildContext;
let nobody: BuildContext;
let base: string;

beforeAll(async () => {
  await requireTool('qemu-img', 'qemu-io', 'skopeo', 'flock');
  folder = await tempFolder('login');
  registry = await startRegistry({ listen: '127.0.0.1', login: true });
  base = `${registry.address}/team/base:1`;
  runtime = await publishRoot(folder);
  nobody = await userContext('nobody');
  somebody = await userContext('somebody');
  await skopeoLogin(join(folder, 'somebody', '.docker', 'config.json'));
  await makeRawDisk(join(folder, 'disk.raw'));
});

afterAll(() => registry?.stop());

/** Somebody's own home, cache and log. */
async function userContext(name: string): Promise<BuildContext> {
  const home = join(folder, name);
  await mkdir(home);
  const log = makeLog((line) => said.push(line), { debug: true });
  const env = { HOME: home, XDG_RUNTIME_DIR: home };
  return { ...(await makeContext(home)), log, env, exec: makeExec((argv) => said.push(argv.join(' '))) };
}

/** As a person does it; `docker login` and `podman login` write the same file. */
async function skopeoLogin(file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, '{}');
  const words = ['--tls-verify=false', '--authfile', file, '--username', LOGIN.name, '--password-stdin'];
  await exec('skopeo', ['login', ...words, registry.address], { input: LOGIN.password });
}

function push(ctx: BuildContext) {
  return bake(ctx, { source: join(folder, 'disk.raw'), push: base, definitions: [], runtime, insecure: true });
}

async function sent(work: () => Promise<unknown>): Promise<number> {
  const before = await registry.size();
  await work();
  return (await registry.size()) - before;
}

test('without a login a push and a read end with what to do next', async () => {
  const denied = {
    code: 'REGISTRY_DENIED',
    exitCode: 69,
    message: expect.stringContaining(base),
    hint: expect.stringContaining(`skopeo login ${registry.address}`),
  };
  expect(await push(nobody).catch((error) => error)).toMatchObject(denied);
  expect(await inspectImage(nobody, base, { insecure: true }).catch((error) => error)).toMatchObject(denied);
  const source = `oci://${base}`;
  const options = { definitions: [], runtime, insecure: true, output: join(folder, 'never.tar') };
  expect(await bake(nobody, { source, ...options }).catch((error) => error)).toMatchObject(denied);
});

test('a wrong password is no login', async () => {
  const wrong = await userContext('wrong');
  const auth = Buffer.from(`${LOGIN.name}:not-that`).toString('base64');
  await mkdir(join(folder, 'wrong', '.docker'));
  const file = join(folder, 'wrong', '.docker', 'config.json');
  await writeFile(file, JSON.stringify({ auths: { [registry.address]: { auth } } }));
  const failure = await push(wrong).catch((error) => error);
  expect(failure).toMatchObject({ code: 'REGISTRY_DENIED' });
  expect(`${failure.message}${failure.hint}${failure.cause?.message}`).not.toContain('not-that');
});

test.each(['docker', 'REGISTRY_AUTH_FILE', 'podman'])(
  'with a login by %s a bake is pushed, read and taken as a source',
  async (kind) => {
    const ctx = kind === 'docker' ? somebody : await userContext(kind);
    const file = join(folder, kind, kind === 'podman' ? 'containers/auth.json' : 'auth.json');
    if (kind !== 'docker') await skopeoLogin(file);
    const env =
      kind === 'docker' ? ctx.env : { ...ctx.env, ...(kind === 'podman' ? {} : { REGISTRY_AUTH_FILE: file }) };
    const user = { ...ctx, env };
    await push(user);
    expect((await inspectImage(user, base, { insecure: true })).layers).toHaveLength(3);
    const again = { definitions: [], runtime, insecure: true, output: join(folder, `${kind}.tar`) };
    await bake(user, { source: `oci://${base}`, ...again });
  },
);

test('what is published goes onto a base of another repository, whose layers are mounted, not sent', async () => {
  const image = await openOrigin(somebody, base, { insecure: true });
  const { chain, files } = await takeDisks(somebody, image, join(folder, 'disks'));
  const source = await makeData(join(folder, 'data'), chain, base);
  await write(source, files, `write -s ${await noise(join(folder, 'noise'), 1)} 5M 1M`);
  const found = await findBaseImage(somebody, { chain, references: [base], insecure: [registry.address] }, folder);
  const target = `${registry.address}/mounted/box:1`;
  const mounted = await sent(() => mountLayers(somebody, found, found.registry ?? '', target, { insecure: true }));
  expect(mounted).toBeLessThan(16 * 1024);
  for (const { digest } of found.layers) {
    const headers = { authorization: `Basic ${SECRETS[1]}` };
    const url = `http://${registry.address}/v2/mounted/box/blobs/${digest}`;
    expect((await fetch(url, { method: 'HEAD', headers })).status).toBe(200);
  }
  const words = { source, reference: `${registry.address}/me/box:1`, insecure: true, scrub: false };
  const bytes = await sent(() => publishDisk(hostContext(somebody), somebody, words));
  expect(bytes).toBeGreaterThan(1024 ** 2);
  expect(bytes).toBeLessThan(1.5 * 1024 ** 2);
  const refused = publishDisk(hostContext(nobody), nobody, { ...words, base: join(folder, 'docker.tar') });
  await expect(refused).rejects.toMatchObject({ code: 'REGISTRY_DENIED' });
});

test('nothing that was said holds the password', async () => {
  expect(said.length).toBeGreaterThan(10);
  const text = said.join('\n');
  for (const secret of SECRETS) expect(text).not.toContain(secret);
  expect(await readFile(join(folder, 'somebody', '.docker', 'config.json'), 'utf8')).toContain(SECRETS[1]);
});
