import { type Digest, digestBytes, type Machine } from '@virtainers/core';
import type { Segment } from '../oci/segments.ts';
import type { Customization } from './wish.ts';

/** For machine.json: what was put into the disk `base`, and a digest of all of it. */
export function describeCustomization(wish: Customization, base: Digest): NonNullable<Machine['customized']> {
  const { packages, files, scripts, firstBoot, cloudConfig } = wish;
  return {
    digest: customizationDigest(wish),
    base,
    packages: [...packages],
    files: files.map(({ path }) => path),
    scripts: scripts.map(({ name }) => name),
    firstBoot: [...firstBoot],
    cloudConfig: cloudConfig !== undefined,
  };
}

/** Of the bytes of files and scripts too; the same wherever they lie. */
function customizationDigest({ packages, files, scripts, firstBoot, cloudConfig, user }: Customization): Digest {
  const content = (one: { content: Segment }) => ({ ...one, content: contentDigest(one.content) });
  const all = { packages, files: files.map(content), scripts: scripts.map(content), firstBoot, cloudConfig, user };
  return digestBytes(JSON.stringify(all));
}

function contentDigest(content: Segment): Digest {
  return Buffer.isBuffer(content) ? digestBytes(content) : content.digest;
}
