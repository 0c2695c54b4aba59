import { digestBytes } from '@virtainers/core';
import { expect, test } from 'vitest';
import {
  artifactTypeOf,
  plainReferrersIndex,
  referrersIndex,
  referrersTag,
  storedArtifact,
  withReferrers,
} from './artifact.ts';
import { indexSchema } from './schema.ts';

const subject = { digest: digestBytes('image'), manifest: Buffer.from('image') };
const sbom = { type: 'application/spdx+json', bytes: Buffer.from('{"a":1}') };

test('an artifact is a manifest about its subject, the same one each time', () => {
  const stored = storedArtifact(sbom, subject);
  expect(stored).toEqual(storedArtifact(sbom, subject));
  expect(digestBytes(stored.manifest)).toBe(stored.digest);
  expect(JSON.parse(stored.manifest.toString())).toMatchObject({
    artifactType: sbom.type,
    subject: { digest: subject.digest, size: 5 },
    layers: [{ mediaType: sbom.type, digest: digestBytes(sbom.bytes), size: 7 }],
  });
  expect(referrersTag(subject.digest)).toBe(`sha256-${subject.digest.slice(7)}`);
});

test('the index keeps what others put there, and is left alone where it has all', () => {
  const other = { mediaType: 'x', digest: digestBytes('other'), size: 1, artifactType: sbom.type };
  const stored = storedArtifact(sbom, subject);
  const referrers = withReferrers([other], [stored]) ?? [];
  for (const index of [referrersIndex(referrers), plainReferrersIndex(referrers)]) {
    const { manifests } = indexSchema.parse(JSON.parse(index.toString()));
    expect(manifests.map(({ digest }) => digest)).toEqual([other.digest, stored.digest]);
    expect(manifests.map(artifactTypeOf)).toEqual([sbom.type, sbom.type]);
    expect(withReferrers(manifests, [stored])).toBeUndefined();
  }
});
