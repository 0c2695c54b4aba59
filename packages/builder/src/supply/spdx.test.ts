import { expect, test } from 'vitest';
import type { NamedImage } from '../oci/archive.ts';
import { assembleImage } from '../oci/image.ts';
import { fileLayer } from '../oci/layer.ts';
import type { PackageSet } from '../package-set.ts';
import { provenanceStatement } from './provenance.ts';
import { spdxDocument } from './spdx.ts';

const digest = (digit: string) => `sha256:${digit.repeat(64)}` as const;

const contents: PackageSet = {
  name: 'runtime',
  lock: digest('1'),
  mirror: 'http://me:secret@mirror.example',
  suite: 'trixie',
  packages: [
    { name: 'libstdc++6', version: '1:14-2', arch: 'amd64', sha256: 'ab', path: 'debian/pool/main/g/gcc-14/x.deb' },
    { name: 'libstdc..6', version: '1', arch: 'all', sha256: 'cd', path: 'debian/pool/main/l/other/y.deb' },
  ],
};

function named(): NamedImage {
  const file = { path: '/x', size: 1, mediaType: 'x' };
  const layers = [
    fileLayer('root', { ...file, digest: digest('2'), diffID: digest('3'), contents }),
    fileLayer('disk', { ...file, digest: digest('4'), diffID: digest('5') }),
    fileLayer('app', { ...file, digest: digest('6'), diffID: digest('7') }),
  ];
  const image = assembleImage(layers, { arch: 'amd64', created: 0, labels: {}, ports: [] });
  return { image, references: ['me/box:1'], arch: 'amd64', mtime: 0 };
}

interface Document {
  readonly packages: readonly { SPDXID: string; name: string; externalRefs?: { referenceLocator: string }[] }[];
  readonly relationships: readonly { spdxElementId: string; relatedSpdxElement: string }[];
}

function document(): Document {
  const bundled = [{ name: '@a/b', version: '1.0.0', sha512: 'ef' }];
  const disk = { sha256: digest('8'), from: 'disk.qcow2' };
  return spdxDocument(named(), { version: '0.1.0', created: 0, disk, bundled }) as Document;
}

test('every package of the layers is in it, each with an id of its own and a purl', () => {
  const { packages, relationships } = document();
  const ids = packages.map(({ SPDXID }) => SPDXID);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/);
  expect(new Set(relationships.map((one) => one.relatedSpdxElement))).toEqual(new Set(ids));
  const purls = packages.flatMap(({ externalRefs = [] }) => externalRefs.map((one) => one.referenceLocator));
  expect(purls.slice(1)).toEqual([
    'pkg:deb/debian/libstdc%2B%2B6@1%3A14-2?arch=amd64&distro=trixie',
    'pkg:deb/debian/libstdc..6@1?arch=all&distro=trixie',
    'pkg:npm/%40a/b@1.0.0',
  ]);
  expect(packages.find(({ name }) => name === 'libstdc++6')).toMatchObject({
    versionInfo: '1:14-2',
    sourceInfo: 'built from the source package gcc-14',
    downloadLocation: 'http://mirror.example/debian/pool/main/g/gcc-14/x.deb',
    checksums: [{ algorithm: 'SHA256', checksumValue: 'ab' }],
  });
});

test('the same image gives the same documents, without a password in them', () => {
  expect(document()).toEqual(document());
  expect(JSON.stringify(document())).not.toContain('secret');
});

test('a statement names the image by digest, and what it was made from', () => {
  const dependencies = [{ name: 'runtime.lock', digest: digest('1') }];
  const statement = provenanceStatement(named(), { version: '0.1.0', parameters: { arch: 'amd64' }, dependencies });
  expect(statement).toMatchObject({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'me/box:1', digest: { sha256: named().image.digest.slice(7) } }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: { buildDefinition: { resolvedDependencies: [{ digest: { sha256: '1'.repeat(64) } }] } },
  });
});
