import { digestBytes, type Exec } from '@virtainers/core';
import { expect, test } from 'vitest';
import { readRegistryImage } from './registry-image.ts';

/** skopeo, as a registry makes it speak: the same document whatever is asked for. */
function registry(document: string) {
  const exec = (async () => ({ stdout: document, stderr: '', exitCode: 0 })) as unknown as Exec;
  return { exec, env: {}, signal: undefined, offline: false };
}

test('a registry that gives something else than the digest asked for is not believed', async () => {
  const wanted = digestBytes('what was pinned');
  const reading = readRegistryImage(registry('{"schemaVersion":2}'), `registry.example/box@${wanted}`);
  await expect(reading).rejects.toMatchObject({ code: 'DIGEST_MISMATCH', message: expect.stringContaining(wanted) });
});

test('so is one whose index names an image, and which then gives another', async () => {
  const platform = { os: 'linux', architecture: 'amd64' };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const index = JSON.stringify({
    schemaVersion: 2,
    manifests: [{ mediaType, digest: digestBytes('pinned'), size: 6, platform }],
  });
  await expect(readRegistryImage(registry(index), 'registry.example/box:1')).rejects.toMatchObject({
    code: 'DIGEST_MISMATCH',
  });
});

test.for(['<html>log in</html>', 'null', '[]'])('%s is no manifest', async (text) => {
  await expect(readRegistryImage(registry(text), 'registry.example/box:1')).rejects.toMatchObject({
    code: 'ARCHIVE_INVALID',
  });
});
