import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ARCHITECTURES, type Architecture, type Digest, digestBytes, VirtainersError } from '@virtainers/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { trustIn } from '../../packages/builder/src/definition/cloud.ts';
import { loadDefinitions } from '../../packages/builder/src/definition/load.ts';
import type { CloudDefinition } from '../../packages/builder/src/definition/schema.ts';
import { inspectImage } from '../../packages/builder/src/inspect.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import type { VendorServer } from '../helpers/vendor-server.ts';
import { FORGERIES, signedPart } from '../helpers/vendors/forgeries.ts';
import { type Fixture, makeKit } from '../helpers/vendors/kit.ts';
import { asTested, publish, serveHosts } from '../helpers/vendors/publish.ts';
import { makeSigner, type Signer } from '../helpers/vendors/signer.ts';
import { VENDORS } from '../helpers/vendors/table.ts';
import { makeContext, publishRoot } from './oci-samples.ts';

const definitions = (await loadDefinitions(join(import.meta.dirname, '../../images'))).filter(
  (one): one is CloudDefinition => one.kind === 'cloud',
);

let folder: string;
let ctx: BuildContext;
let runtimes: Record<Architecture, string>;
let vendor: Signer;
let stranger: Signer;
let server: VendorServer;
let caches = 0;
const fixtures = new Map<string, Fixture>();

type Forged = Readonly<Record<string, Buffer | undefined>>;

beforeAll(async () => {
  await requireTool('gpg', 'gpg-agent', 'gpgv', 'openssl', 'qemu-img', 'xz');
  folder = await tempFolder('vendors');
  vendor = await makeSigner(join(folder, 'vendor'), 'vendor');
  stranger = await makeSigner(join(folder, 'stranger'), 'stranger');
  const kit = makeKit(folder, vendor);
  for (const [stem, make] of Object.entries(VENDORS)) fixtures.set(stem, await make(kit));
  server = await serveHosts([...fixtures.values()]);
  ctx = { ...(await makeContext(folder)), env: server.env };
  runtimes = { amd64: await publishRoot(folder), arm64: await publishRoot(folder, 'arm64') };
});

afterAll(async () => {
  await Promise.all([vendor?.end(), stranger?.end(), server?.end()]);
});

test('every definition of a vendor’s image has a fixture, and every fixture a definition', () => {
  expect(Object.keys(VENDORS).sort()).toEqual(definitions.map(({ stem }) => stem).sort());
});

const offered = definitions.flatMap((shipped) =>
  ARCHITECTURES.filter((arch) => shipped.architectures[arch]).map((arch) => ({ shipped, arch, name: shipped.name })),
);

test.each(offered)(
  '$name for $arch is found, checked, baked, and tells what it is',
  async ({ shipped, arch, name }) => {
    const fixture = fixtureOf(shipped.stem);
    const definition = bootable(await asTested(shipped, fixture, folder, vendor));
    const output = join(folder, 'image.tar');
    const options = { source: name, definitions: [definition], arch, runtime: runtimes[arch], output };
    await published(fixture, {}, () => bake(ctx, options));
    const facts = await inspectImage(ctx, output);
    const { url, disk } = fixture.images[arch] ?? {};
    expect(facts.arch).toBe(arch);
    expect(facts.labels).toMatchObject({
      'io.virtainers.name': name,
      'io.virtainers.user': shipped.user,
      'io.virtainers.osinfo': shipped.osinfo,
      'io.virtainers.source': url,
      'io.virtainers.source.sha256': digestBytes(disk ?? Buffer.alloc(0)).slice(7),
      'io.virtainers.source.trust': trustIn(definition, arch),
      'org.opencontainers.image.title': shipped.title,
    });
    expect(facts.disk?.virtualSize).toBe(Math.max(definition.minDisk ?? 0, 1024 * 1024));
    expect(await readMachine(output, facts.layers[1]?.digest)).toMatchObject({
      ...{
        name,
        arch,
        user: shipped.user,
        osinfo: shipped.osinfo,
        ...(shipped.ignition && { ignition: shipped.ignition }),
        ...(shipped.seed && { seed: shipped.seed }),
      },
      disk: { sha256: facts.disk?.sha256, virtualSize: facts.disk?.virtualSize },
    });
  },
);

/** One of each vendor that signs; the others are the same but for their names. */
const SIGNED = [
  'ubuntu-24.04',
  'fedora-44',
  'fedora-coreos',
  'flatcar',
  'almalinux-9',
  'rocky-9',
  'opensuse-leap-16.0',
  'alpine-3.24',
  'archlinux',
  'gentoo',
];

describe.each(definitions.filter(({ stem }) => SIGNED.includes(stem)))('$name: $signature.kind', (shipped) => {
  const kind = shipped.signature.kind;
  const forgeries = FORGERIES.filter(({ kinds }) => kinds.some((one) => one === kind));

  test.each(forgeries)('$what is refused, and nothing is baked', async ({ forge, code }) => {
    const fixture = fixtureOf(shipped.stem);
    const definition = await asTested(shipped, fixture, folder, vendor);
    const otherwise = await forge(signedPart(fixture, shipped), vendor, stranger);
    expect(await refusal(definition, fixture, otherwise)).toBe(code);
  });
});

test.each(definitions.filter(({ architectures }) => architectures.amd64?.pin))(
  '$name: another disk than the one whose sum is known is refused',
  async (shipped) => {
    const fixture = fixtureOf(shipped.stem);
    const definition = { ...(await asTested(shipped, fixture, folder, vendor)), architectures: shipped.architectures };
    expect(await refusal(definition, fixture)).toBe('DIGEST_MISMATCH');
  },
);

test.each(definitions.filter(({ places }) => places.length > 1))(
  '$name: where its first server has it no more, the next one is asked',
  async (shipped) => {
    const { images, archive = {} } = fixtureOf(shipped.stem);
    const definition = await asTested(shipped, { images, files: archive }, folder, vendor);
    await published({ images, files: archive }, {}, async () => {
      const output = join(folder, 'archive.tar');
      await bake(freshContext(), {
        source: shipped.name,
        definitions: [bootable(definition)],
        runtime: runtimes.amd64,
        output,
      });
      const { labels } = await inspectImage(ctx, output);
      expect(Object.keys(archive)).toContain(labels['io.virtainers.source']);
      expect(labels['io.virtainers.source']).not.toBe(images.amd64?.url);
    });
  },
);

function fixtureOf(stem: string): Fixture {
  const fixture = fixtures.get(stem);
  if (!fixture) throw new Error(`test/helpers/vendors/table.ts has no fixture for ${stem}`);
  return fixture;
}

/** What a disk boots with is of no matter here. */
function bootable(definition: CloudDefinition): CloudDefinition {
  return { ...definition, firmware: ['bios', 'uefi'] };
}

/** Knows nothing of what other tests have fetched and checked. */
function freshContext(): BuildContext {
  caches += 1;
  return { ...ctx, cacheDir: join(folder, `cache-${caches}`) };
}

async function published<T>(fixture: Fixture, otherwise: Forged, use: () => Promise<T>): Promise<T> {
  const takeAway = publish(server, fixture, otherwise);
  try {
    return await use();
  } finally {
    takeAway();
  }
}

/** The code of the error with which a bake ends; it may not have written anything. */
async function refusal(definition: CloudDefinition, fixture: Fixture, otherwise: Forged = {}): Promise<string> {
  const output = join(folder, 'refused.tar');
  const options = { source: definition.name, definitions: [bootable(definition)], runtime: runtimes.amd64, output };
  const failure = await published(fixture, otherwise, () => bake(freshContext(), options).catch((error) => error));
  expect(await readdir(folder)).not.toContain('refused.tar');
  if (!(failure instanceof VirtainersError)) throw new Error('it was not refused', { cause: failure });
  return failure.code;
}

async function readMachine(archive: string, disk: Digest | undefined): Promise<unknown> {
  const layer = `blobs/sha256/${disk?.slice(7)}`;
  await exec('tar', ['-xf', archive, '-C', folder, layer]);
  const { stdout } = await exec('tar', ['-xOf', join(folder, layer), 'etc/virtainers/machine.json']);
  return JSON.parse(stdout);
}
