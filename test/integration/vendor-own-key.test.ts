import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { loadDefinitions } from '../../packages/builder/src/definition/load.ts';
import type { CloudDefinition } from '../../packages/builder/src/definition/schema.ts';
import { inspectImage } from '../../packages/builder/src/inspect.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import type { VendorServer } from '../helpers/vendor-server.ts';
import { type Fixture, makeKit } from '../helpers/vendors/kit.ts';
import { asTested, publish, serveHosts } from '../helpers/vendors/publish.ts';
import { makeSigner, type Signer } from '../helpers/vendors/signer.ts';
import { VENDORS } from '../helpers/vendors/table.ts';
import { makeContext, publishRoot } from './oci-samples.ts';

/** One for each way of signing, of those whose key does not come along; and two that need none. */
const STEMS = ['archlinux', 'alpine-3.24', 'gentoo', 'debian-13', 'ubuntu-24.04'] as const;
type Stem = (typeof STEMS)[number];

const tested = new Map<string, CloudDefinition>();
let folder: string;
let runtime: string;
let vendor: Signer;
let stranger: Signer;
let server: VendorServer;
let ctx: BuildContext;
let caches = 0;

beforeAll(async () => {
  await requireTool('gpg', 'gpg-agent', 'gpgv', 'openssl', 'qemu-img', 'xz');
  folder = await tempFolder('own-key');
  vendor = await makeSigner(join(folder, 'vendor'), 'vendor');
  stranger = await makeSigner(join(folder, 'stranger'), 'stranger');
  runtime = await publishRoot(folder);
  const kit = makeKit(folder, vendor);
  const fixtures: Fixture[] = [];
  for (const stem of STEMS) fixtures.push((await VENDORS[stem]?.(kit)) as Fixture);
  server = await serveHosts(fixtures);
  ctx = { ...(await makeContext(folder)), env: server.env };
  for (const one of await loadDefinitions(join(import.meta.dirname, '../../images'))) {
    const index = STEMS.indexOf(one.stem as Stem);
    const fixture = fixtures[index];
    if (!fixture || one.kind !== 'cloud') continue;
    publish(server, fixture, {});
    const definition = await asTested(one, fixture, folder, vendor);
    const { signature } = definition;
    // As it is shipped: the fingerprint is known, the key is not here.
    const without = signature.kind === 'none' ? signature : { ...signature, key: undefined };
    const own = one.signature.kind !== 'none' && one.signature.key === undefined;
    tested.set(one.stem, { ...definition, firmware: ['bios', 'uefi'], ...(own && { signature: without }) });
  }
  await writeFile(join(folder, 'vendor.asc'), vendor.publicKey);
  await writeFile(join(folder, 'stranger.asc'), stranger.publicKey);
  await exec('gpg', ['--batch', '--yes', '-o', join(folder, 'vendor.gpg'), '--dearmor', join(folder, 'vendor.asc')]);
});

afterAll(async () => {
  await Promise.all([vendor?.end(), stranger?.end(), server?.end()]);
});

async function trustOf(stem: Stem, key: string | undefined): Promise<string | undefined> {
  caches += 1;
  const definition = tested.get(stem);
  if (!definition) throw new Error(`${stem} is not in the catalogue`);
  const output = join(folder, `${caches}.tar`);
  const vendorKey = key === undefined ? undefined : join(folder, key);
  const context = { ...ctx, cacheDir: join(folder, `cache-${caches}`) };
  await bake(context, { source: definition.name, definitions: [definition], runtime, output, vendorKey });
  return (await inspectImage(ctx, output)).labels['io.virtainers.source.trust'];
}

test.each(['archlinux', 'alpine-3.24', 'gentoo'] as const)(
  '%s with its key from its vendor is signed',
  async (stem) => {
    expect(await trustOf(stem, undefined)).toBe('unchecked');
    expect(await trustOf(stem, 'vendor.asc')).toBe('signed');
    expect(await trustOf(stem, 'vendor.gpg')).toBe('signed');
  },
);

test.each(['archlinux', 'alpine-3.24', 'gentoo'] as const)('%s with another key is refused', async (stem) => {
  await expect(trustOf(stem, 'stranger.asc')).rejects.toMatchObject({ code: 'SIGNATURE_BAD' });
});

test.each([
  ['debian-13', 'vendor.asc', 'its vendor signs nothing'],
  ['ubuntu-24.04', 'vendor.asc', 'the key of its vendor comes along'],
  ['archlinux', 'nowhere.asc', 'no such file'],
  ['archlinux', 'keys', 'EISDIR'],
] as const)('%s with %s is an error before anything is asked', async (stem, key, says) => {
  const asked = server.seen.length;
  await expect(trustOf(stem, key)).rejects.toMatchObject({
    code: 'ARGUMENTS_BAD',
    message: expect.stringMatching(new RegExp(`--vendor-key.*${says}`)),
  });
  expect(server.seen.length).toBe(asked);
});
