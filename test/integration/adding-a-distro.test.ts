import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import { loadDefinitions } from '../../packages/builder/src/definition/load.ts';
import { inspectImage } from '../../packages/builder/src/inspect.ts';
import { findSchema } from '../../packages/builder/src/source/find/table.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import type { VendorServer } from '../helpers/vendor-server.ts';
import { type Fixture, makeKit, sha256 } from '../helpers/vendors/kit.ts';
import { parts } from '../helpers/vendors/others.ts';
import { publish, serveHosts } from '../helpers/vendors/publish.ts';
import { makeSigner, type Signer } from '../helpers/vendors/signer.ts';
import { VENDORS } from '../helpers/vendors/table.ts';
import { makeContext, publishRoot } from './oci-samples.ts';

const ROOT = join(import.meta.dirname, '../..');
const page = await readFile(join(ROOT, 'docs/adding-a-distro.md'), 'utf8');
const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';

let folder: string;
let images: string;
let signer: Signer;
let server: VendorServer;
let fixture: Fixture;

beforeAll(async () => {
  await requireTool('gpg', 'gpg-agent', 'gpgv', 'openssl', 'qemu-img', 'xz');
  folder = await tempFolder('distro');
  images = join(folder, 'images');
  await mkdir(join(images, 'keys'), { recursive: true });
  signer = await makeSigner(join(folder, 'gnupg'), 'example');
  const kit = makeKit(folder, signer);
  const vendor = parts({ amd64: 'x86_64', arm64: 'aarch64' }, async (_kit, _arch, word) => {
    const place = `https://images.example.org/7/${word}/`;
    const name = (build: number) => `example-7-${build}.${word}.qcow2`;
    const disk = await kit.disk(word);
    const sums = Buffer.from(`${sha256(disk)}  ${name(20261101)}\n`);
    const files = {
      [place + name(20261101)]: disk,
      [place + name(20260930)]: Buffer.from('older'),
      [`${place}SHA256SUMS-20261101`]: sums,
      [`${place}SHA256SUMS-20261101.asc`]: await kit.detach(sums),
    };
    return { image: { url: place + name(20261101), disk }, files };
  });
  fixture = await vendor(kit);
  const fedora = await VENDORS['fedora-44']?.(kit);
  if (!fedora) throw new Error('no fixture');
  server = await serveHosts([fixture, fedora]);
  publish(server, fixture);
  publish(server, fedora);
});

afterAll(async () => {
  await Promise.all([signer?.end(), server?.end()]);
});

test('the steps of the page, followed, give an image that is signed for', async () => {
  const pinned = '0123456789ABCDEF0123456789ABCDEF01234567';
  expect(example).toContain(pinned);
  await writeFile(join(images, 'example-7.yaml'), example.replace(pinned, signer.fingerprint));
  await writeFile(join(images, 'keys', 'example.asc'), signer.publicKey);
  const definitions = await loadDefinitions(images);
  const ctx = { ...(await makeContext(folder)), env: server.env };
  const [runtime, output] = [await publishRoot(folder), join(folder, 'image.tar')];
  await bake(ctx, { source: 'example', definitions, runtime, output });
  expect((await inspectImage(ctx, output)).labels).toMatchObject({
    'io.virtainers.name': 'example:7',
    'io.virtainers.source': fixture.images.amd64?.url,
    'io.virtainers.source.trust': 'signed',
  });
});

test('the page names every way to find a file, and no other', () => {
  const kinds = findSchema.options.map(({ shape }) => shape.kind.value);
  const rows = [...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, kind]) => kind);
  expect(rows.sort()).toEqual(kinds.sort());
});

test('update-catalogue marks what it finds, changing nothing else, and says what it does not find', async () => {
  const today = new Date().toISOString().slice(0, 10);
  const fedora = (await readFile(join(ROOT, 'images/fedora-44.yaml'), 'utf8'))
    .replace('key: fedora-44', 'key: example')
    .replace(/fingerprints: .*/, `fingerprints: [ ${signer.fingerprint} ] # kept`)
    .replace(/resolved: .*/, 'resolved: never   # for now');
  const gentoo = await readFile(join(ROOT, 'images/gentoo.yaml'), 'utf8');
  await writeFile(join(images, 'fedora-44.yaml'), fedora);
  await writeFile(join(images, 'gentoo.yaml'), gentoo);
  const update = (...args: string[]) =>
    exec(join(ROOT, 'scripts/update-catalogue'), ['--images', images, '--json', ...args], {
      env: server.env,
      allowFailure: true,
    });
  const live = await update('--live');
  expect(live.exitCode).toBe(69);
  const { url } = fixture.images.arm64 ?? {};
  expect(JSON.parse(live.stdout)).toMatchObject([
    { name: 'example:7', resolved: today, found: [{ arch: 'amd64' }, { arch: 'arm64', url }], problems: [] },
    { name: 'fedora:44', trust: 'signed', resolved: today, problems: [] },
    { name: 'gentoo', resolved: 'never', found: [], problems: [/^amd64: fetching/, /^arm64: /].map(matching) },
  ]);
  expect(await readFile(join(images, 'fedora-44.yaml'), 'utf8')).toBe(fedora.replace('never ', `${today} `));
  expect(await readFile(join(images, 'gentoo.yaml'), 'utf8')).toBe(gentoo);
  const review = await update();
  expect(review.exitCode).toBe(0);
  const unsaid = 'signed, but the key is not in keys/';
  expect(JSON.parse(review.stdout)[2]).toMatchObject({ problems: ['never resolved against its vendor', unsaid] });
});

function matching(pattern: RegExp): unknown {
  return expect.stringMatching(pattern);
}
