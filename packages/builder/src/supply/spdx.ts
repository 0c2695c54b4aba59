import { basename, dirname } from 'node:path';
import type { Machine } from '@virtainers/core';
import type { NamedImage } from '../oci/archive.ts';
import { timestamp } from '../oci/image.ts';
import type { Layer } from '../oci/layer.ts';
import type { PackageSet, SetPackage } from '../package-set.ts';
import type { BundledPackage } from './bundled.ts';

/** What an SBOM says beside the layers' own packages. */
export interface SbomFacts {
  /** Of virtainers. */
  readonly version: string;
  /** Seconds since 1970. */
  readonly created: number;
  /** The qcow2 in the image, and where it came from. */
  readonly disk:
    | { readonly sha256: string; readonly from: string | undefined; readonly customized?: Machine['customized'] }
    | undefined;
  /** What the supervisor carries. */
  readonly bundled: readonly BundledPackage[];
}

interface Element {
  readonly SPDXID: string;
}

const UNSAID = {
  filesAnalyzed: false,
  licenseConcluded: 'NOASSERTION',
  licenseDeclared: 'NOASSERTION',
  copyrightText: 'NOASSERTION',
};

/** What is in an image, as SPDX 2.3 (https://spdx.github.io/spdx-spec/v2.3/). Pure: the same image gives the same document. */
export function spdxDocument({ image, references, arch }: NamedImage, facts: SbomFacts): object {
  const name = references[0] ?? image.digest;
  const top = { ...imageElement(name, image.digest, arch), SPDXID: 'SPDXRef-image' };
  const parts = image.layers.map((layer) => ({ layer: layerElement(layer), packages: contentsOf(layer, facts) }));
  return {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    name,
    documentNamespace: `https://spdx.org/spdxdocs/virtainers-${image.digest.slice(7)}`,
    creationInfo: { created: timestamp(facts.created), creators: [`Tool: virtainers-${facts.version}`] },
    packages: [top, ...parts.flatMap(({ layer, packages }) => [layer, ...packages])],
    relationships: [
      related('SPDXRef-DOCUMENT', 'DESCRIBES', top.SPDXID),
      ...parts.flatMap(({ layer, packages }) => [
        related(top.SPDXID, 'CONTAINS', layer.SPDXID),
        ...packages.map(({ SPDXID }) => related(layer.SPDXID, 'CONTAINS', SPDXID)),
      ]),
    ],
  };
}

function related(spdxElementId: string, relationshipType: string, relatedSpdxElement: string): object {
  return { spdxElementId, relationshipType, relatedSpdxElement };
}

function imageElement(name: string, digest: string, arch: string): object {
  const last =
    name
      .replace(/:[^/:]*$/, '')
      .split('/')
      .at(-1) ?? name;
  return {
    name,
    versionInfo: digest,
    downloadLocation: 'NOASSERTION',
    ...UNSAID,
    primaryPackagePurpose: 'CONTAINER',
    externalRefs: purl(`pkg:oci/${encodeURIComponent(last)}@${encodeURIComponent(digest)}?arch=${arch}`),
  };
}

function layerElement({ name, diffID }: Layer): Element {
  const what = { SPDXID: id('layer', name), name: `layer: ${name}`, versionInfo: diffID };
  return { ...what, downloadLocation: 'NOASSERTION', ...UNSAID, primaryPackagePurpose: 'ARCHIVE' } as Element;
}

function contentsOf({ name, contents }: Layer, { disk, bundled }: SbomFacts): Element[] {
  const debs = contents ? contents.packages.map((one) => debElement(name, contents, one)) : [];
  if (name === 'disk' && disk) return [diskElement(disk), ...debs];
  return name === 'app' ? bundled.map(npmElement) : debs;
}

/** What a guest's package manager brought is known to the guest alone: the document says that it is not all. */
function diskElement({ sha256, from, customized }: NonNullable<SbomFacts['disk']>): Element {
  return {
    SPDXID: 'SPDXRef-disk',
    name: 'disk.qcow2',
    downloadLocation: 'NOASSERTION',
    ...UNSAID,
    ...(from !== undefined && { sourceInfo: `made from ${from}` }),
    ...(customized && {
      comment: `changed by a boot after it was made, what that brought is not listed: ${customized.digest}`,
    }),
    checksums: [{ algorithm: 'SHA256', checksumValue: sha256.replace(/^sha256:/, '') }],
    primaryPackagePurpose: 'OPERATING-SYSTEM',
  } as Element;
}

function debElement(layer: string, { mirror, suite }: PackageSet, deb: SetPackage): Element {
  const { name, version, arch, sha256, path } = deb;
  const what = `${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${arch}&distro=${suite}`;
  return {
    SPDXID: id(layer, name, arch),
    name,
    versionInfo: version,
    downloadLocation: `${withoutUser(mirror)}/${path}`,
    ...UNSAID,
    sourceInfo: `built from the source package ${basename(dirname(path))}`,
    checksums: [{ algorithm: 'SHA256', checksumValue: sha256 }],
    externalRefs: purl(`pkg:deb/debian/${what}`),
  } as Element;
}

function npmElement({ name, version, sha512 }: BundledPackage): Element {
  return {
    SPDXID: id('npm', name, version),
    name,
    versionInfo: version,
    downloadLocation: 'NOASSERTION',
    ...UNSAID,
    checksums: [{ algorithm: 'SHA512', checksumValue: sha512 }],
    externalRefs: purl(`pkg:npm/${name.replace('@', '%40')}@${version}`),
  } as Element;
}

function purl(referenceLocator: string): object[] {
  return [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator }];
}

/** Letters, digits, `.` and `-` only (SPDX 2.3, 7.2.1); others are written as their code, so that no two become one. */
function id(...words: readonly string[]): string {
  const coded = words.join('-').replace(/[^A-Za-z0-9-]/g, (sign) => `.${sign.codePointAt(0)?.toString(16)}.`);
  return `SPDXRef-${coded}`;
}

/** A mirror of one's own may be named with a password. */
function withoutUser(url: string): string {
  return url.replace(/^(\w+:\/\/)[^/@]*@/, '$1');
}
