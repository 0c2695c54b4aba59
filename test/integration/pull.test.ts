import { readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bake } from '../../packages/builder/src/bake.ts';
import type { BuildContext } from '../../packages/builder/src/context.ts';
import { inspectImage } from '../../packages/builder/src/inspect.ts';
import { type PullResult, pull } from '../../packages/builder/src/pull/pull.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { type Registry, startRegistry } from '../helpers/registry.ts';
import { tempFolder } from '../helpers/temp-folder.ts';
import { makeContext, makeRawDisk, publishRoot } from './oci-samples.ts';

let folder: string;
/** Of someone who has baked nothing. */
let ctx: BuildContext;
let registry: Registry;
let reference: string;
let baked: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  await requireTool('qemu-img', 'skopeo', 'flock');
  folder = await tempFolder('pull');
  registry = await startRegistry();
  reference = `${registry.address}/team/base:1`;
  await makeRawDisk(at('disk.raw'));
  const maker = await makeContext(folder);
  const words = { definitions: [], runtime: await publishRoot(folder), insecure: true };
  const { digest } = await bake(maker, { source: at('disk.raw'), push: reference, ...words });
  baked = digest;
  ctx = { ...maker, cacheDir: at('other-cache') };
});

afterAll(() => registry?.stop());

function pullTo(output: string, from = reference): Promise<PullResult> {
  return pull(ctx, { reference: from, output: at(output), insecure: true });
}

test('an archive is the very image; what was pulled once is not fetched again, but for what has taken harm', async () => {
  const first = await pullTo('first.tar');
  expect(first).toMatchObject({ digest: baked, reference, sinks: [{ kind: 'file', written: true }] });
  const { layers, digest, labels } = await inspectImage(ctx, at('first.tar'));
  expect(digest).toBe(baked);
  expect(first.disks).toEqual([labels['io.virtainers.disk.sha256']]);
  expect(first.fetched).toBe(layers.reduce((sum, { size }) => sum + size, 0));
  expect((await pullTo('second.tar')).fetched).toBe(0);
  await exec('cmp', [at('first.tar'), at('second.tar')]);

  const [last] = layers.slice(-1);
  await truncate(join(ctx.cacheDir, 'blobs', (last?.digest ?? '').replace(':', '/')), 10);
  expect((await pullTo('third.tar')).fetched).toBe(last?.size);
  await exec('cmp', [at('first.tar'), at('third.tar')]);
});

test('an image whose labels name another disk than it holds is refused, and nothing is written', async () => {
  const layout = at('layout');
  await exec('skopeo', ['copy', '--src-tls-verify=false', `docker://${reference}`, `oci:${layout}:image`]);
  const other = `${registry.address}/team/lies:1`;
  await exec('umoci', [
    'config',
    '--image',
    `${layout}:image`,
    '--config.label',
    `io.virtainers.disk.sha256=sha256:${'0'.repeat(64)}`,
  ]);
  await exec('skopeo', ['copy', '--dest-tls-verify=false', `oci:${layout}:image`, `docker://${other}`]);
  await expect(pullTo('lies.tar', other)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  await exec('umoci', ['config', '--image', `${layout}:image`, '--clear', 'config.labels']);
  await exec('skopeo', ['copy', '--dest-tls-verify=false', `oci:${layout}:image`, `docker://${other}`]);
  await expect(pullTo('lies.tar', other)).rejects.toThrow(/is not a virtainer/);
  expect(await readdir(folder)).not.toContain('lies.tar');
});
