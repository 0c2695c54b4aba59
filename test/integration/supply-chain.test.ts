import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BakeOptions } from '../../packages/builder/src/bake/options.ts';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { inspectImage, readAttestation } from '../../packages/builder/src/inspect.ts';
import { artifactTypeOf } from '../../packages/builder/src/oci/artifact.ts';
import { indexSchema } from '../../packages/builder/src/oci/schema.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';

let folder: string;
let ctx: BuildContext;
let options: BakeOptions;
let registry: Registry;
let push: string;
const insecure = true;

beforeAll(async () => {
  await requireTool('skopeo');
  folder = await tempFolder('supply');
  ctx = await makeContext(folder);
  const source = join(folder, 'debian-13-demo.raw');
  await makeRawDisk(source);
  options = { source, definitions: [], runtime: await publishRoot(folder), insecure };
  registry = await startRegistry();
  push = `${registry.address}/me/box:1`;
});

afterAll(() => registry?.stop());

test('what is pushed has its documents beside it; a second push sends nothing', async () => {
  const files = { sbom: join(folder, '{name}.spdx.json'), provenance: join(folder, '{name}.intoto.json') };
  const first = await bake(ctx, { ...options, ...files, push });
  expect(first.sinks.map(({ kind, written }) => [kind, written])).toEqual([
    ['sbom', true],
    ['provenance', true],
    ['registry', true],
  ]);
  for (const kind of ['sbom', 'provenance'] as const) {
    const written = await readFile(first.sinks.find((sink) => sink.kind === kind)?.target ?? '');
    expect((await readAttestation(ctx, push, kind, { insecure })).equals(written)).toBe(true);
  }
  const statement = JSON.parse((await readAttestation(ctx, push, 'provenance', { insecure })).toString());
  expect(statement.subject).toEqual([{ name: first.reference, digest: { sha256: first.digest.slice(7) } }]);
  const { resolvedDependencies } = statement.predicate.buildDefinition;
  const { stdout } = await exec('sha256sum', [options.source]);
  expect(resolvedDependencies).toContainEqual({
    name: 'disk',
    uri: 'debian-13-demo.raw',
    digest: { sha256: stdout.slice(0, 64) },
  });
  expect(JSON.stringify(statement)).not.toContain(folder);
  const second = await bake(ctx, { ...options, ...files, push });
  expect(second.sinks.map(({ written }) => written)).toEqual([false, false, false]);
  expect(second).toMatchObject({ cached: true, digest: first.digest });
});

test('the registry has them as manifests about the image, listed under the tag that clients look for', async () => {
  const { digest } = await inspectImage(ctx, push, { insecure });
  const get = async (what: string) => {
    const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
    const response = await fetch(`http://${registry.address}/v2/me/box/manifests/${what}`, { headers: { accept } });
    expect(response.status).toBe(200);
    return response.json() as Promise<Record<string, unknown>>;
  };
  const { manifests } = indexSchema.parse(await get(digest.replace(':', '-')));
  expect(manifests.map(artifactTypeOf)).toEqual(['application/spdx+json', 'application/vnd.in-toto+json']);
  for (const one of manifests) expect(await get(one.digest)).toMatchObject({ subject: { digest } });
});

test('the same inputs in another place give the same documents', async () => {
  const other = await makeContext(join(folder, 'elsewhere'));
  const sbom = join(folder, 'again.spdx.json');
  await bake(other, { ...options, sbom, output: join(folder, 'again.tar') });
  expect((await readFile(sbom)).equals(await readFile(join(folder, 'debian-13-demo.spdx.json')))).toBe(true);
});

test('what is missing says so: documents, cosign, something to sign', async () => {
  await expect(readAttestation(ctx, join(folder, 'again.tar'), 'sbom')).rejects.toMatchObject({
    code: 'ARGUMENTS_BAD',
  });
  const bare = `${registry.address}/me/bare:1`;
  await exec('skopeo', [
    'copy',
    '--preserve-digests',
    '--dest-tls-verify=false',
    `oci-archive:${join(folder, 'again.tar')}`,
    `docker://${bare}`,
  ]);
  await expect(readAttestation(ctx, bare, 'sbom', { insecure })).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  const output = join(folder, 'unsigned.tar');
  await expect(bake(ctx, { ...options, output, sign: {} })).rejects.toMatchObject({ code: 'ARGUMENTS_BAD' });
  const without = { ...ctx, env: { PATH: '/nowhere' } };
  await expect(bake(without, { ...options, output, push, sign: {} })).rejects.toMatchObject({ code: 'TOOL_MISSING' });
  await expect(stat(output)).rejects.toMatchObject({ code: 'ENOENT' });
});
