import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { digestBytes } from '@virtainers/core';
import { expect, onTestFinished, test } from 'vitest';
import type { BuildContext } from '../context.ts';
import { fileLayer } from '../oci/layer.ts';
import { MEDIA_TYPES } from '../oci/media-types.ts';
import type { BaseImage } from './base-image.ts';
import { takeDisks } from './image-disks.ts';

/** An image whose only layer is this, as somebody has stored it who vouches for `tar`. */
async function taking(stored: Buffer, tar: Buffer): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'virtainers-image-disks-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'layer');
  await writeFile(path, stored);
  const digests = { digest: digestBytes(stored), diffID: digestBytes(tar) };
  const layer = fileLayer('disk', { path, size: stored.length, mediaType: MEDIA_TYPES.layerGzip, ...digests });
  const image = { origin: 'x', fetch: async () => [layer] } as unknown as BaseImage;
  return takeDisks({ signal: undefined } as unknown as BuildContext, image, join(folder, 'disks')).catch(
    (error) => error,
  );
}

test('a layer that is damaged, though it has its digest, is no fault of ours', async () => {
  const stored = gzipSync(randomBytes(100_000));
  expect(await taking(stored.subarray(0, -20), Buffer.alloc(0))).toMatchObject({ code: 'ARCHIVE_INVALID' });
  stored.writeUInt8(stored.readUInt8(50_000) ^ 255, 50_000);
  expect(await taking(stored, Buffer.alloc(0))).toMatchObject({ code: 'ARCHIVE_INVALID' });
});

test('one whose tar is another than the image says is refused', async () => {
  const tar = Buffer.alloc(1024);
  expect(await taking(gzipSync(tar), Buffer.from('another'))).toMatchObject({ code: 'DIGEST_MISMATCH' });
});

test('one that would fill the cache is stopped on its way', async () => {
  const member = gzipSync(Buffer.alloc(4 * 1024 ** 2));
  const stored = Buffer.concat(Array.from({ length: 100 }, () => member));
  const failure = await taking(stored, Buffer.alloc(0));
  expect(failure).toMatchObject({ code: 'ARCHIVE_INVALID', message: expect.stringContaining('64 times') });
});
