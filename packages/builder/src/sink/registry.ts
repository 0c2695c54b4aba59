import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestBytes, formatSize, VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import type { NamedImage } from '../oci/archive.ts';
import { type ImageSet, imageSet, setSize } from '../oci/image-set.ts';
import { writeLayoutFolder } from '../oci/layout-folder.ts';
import { parseReference } from '../oci/reference.ts';
import { skopeo } from '../oci/skopeo.ts';
import { withCacheFolder } from '../work-folder.ts';
import type { SinkResult } from './sink.ts';

/**
 * Pushes with skopeo, every byte as it is (a plain layer would be gzipped otherwise), and checks that the registry has the
 * digest that was baked: of the image, or of the index over several of one name. Credentials come from the usual files. COMMAND_FAILED, TOOL_MISSING, DIGEST_MISMATCH.
 */
export async function pushToRegistry(
  ctx: BuildContext,
  reference: string,
  images: readonly NamedImage[],
  options: { insecure?: boolean | undefined } = {},
): Promise<SinkResult> {
  const target = parseReference(reference);
  const named = images.map((one) => ({ ...one, references: ['image'] }));
  const set = imageSet(named);
  if (await registryHolds(ctx, target, set, options)) return { kind: 'registry', target, written: false };
  ctx.onEvent({ type: 'start', step: 'push', title: `pushing to ${target}` });
  await withCacheFolder(ctx, 'tmp', 'push', async (folder) => {
    await writeLayoutFolder(join(folder, 'image'), set, { signal: ctx.signal });
    await copy(ctx, folder, target, set, options);
  });
  ctx.onEvent({ type: 'end', step: 'push', note: formatSize(setSize(set)), cached: false });
  return { kind: 'registry', target, written: true };
}

async function copy(
  ctx: BuildContext,
  folder: string,
  target: string,
  { digest }: Pick<ImageSet, 'digest'>,
  { insecure }: { insecure?: boolean | undefined },
): Promise<void> {
  const digestFile = join(folder, 'digest');
  const tls = insecure ? ['--dest-tls-verify=false'] : [];
  const to = `docker://${target}`;
  const args = [
    'copy',
    '--all',
    '--preserve-digests',
    '--digestfile',
    digestFile,
    ...tls,
    `oci:${join(folder, 'image')}:image`,
    to,
  ];
  await skopeo(ctx, args);
  const pushed = (await readFile(digestFile, 'utf8')).trim();
  if (pushed === digest) return;
  throw new VirtainersError('DIGEST_MISMATCH', `pushing to ${target}: expected ${digest}, the registry got ${pushed}`);
}

async function registryHolds(
  ctx: BuildContext,
  target: string,
  { digest }: Pick<ImageSet, 'digest'>,
  { insecure }: { insecure?: boolean | undefined },
): Promise<boolean> {
  const tls = insecure ? ['--tls-verify=false'] : [];
  const args = ['inspect', '--raw', ...tls, `docker://${target}`];
  const { exitCode, stdout } = await ctx.exec('skopeo', args, { env: ctx.env, allowFailure: true, signal: ctx.signal });
  return exitCode === 0 && digestBytes(stdout) === digest;
}
