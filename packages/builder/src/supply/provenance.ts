import type { NamedImage } from '../oci/archive.ts';

/** Something that a bake was made from, by digest. */
export interface Dependency {
  readonly name: string;
  readonly uri?: string | undefined;
  /** `sha256:…` or `sha512:…` */
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface BakeInputs {
  /** Of virtainers. */
  readonly version: string;
  /** What was asked for. */
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly dependencies: readonly Dependency[];
}

/** Names what the parameters mean. */
const BUILD_TYPE = 'urn:virtainers:bake:1';

/**
 * How an image came to be: an in-toto statement (https://github.com/in-toto/attestation, spec/v1) with SLSA's provenance
 * (https://slsa.dev/spec/v1.0/provenance). No times and no machine stand in it: the same inputs give the same document.
 */
export function provenanceStatement(
  { image, references }: NamedImage,
  { version, parameters, dependencies }: BakeInputs,
): object {
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: references[0] ?? '', digest: digestSet(image.digest) }],
    predicateType: 'https://slsa.dev/provenance/v1',
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: parameters,
        resolvedDependencies: dependencies.map(({ digest, ...rest }) => ({ ...rest, digest: digestSet(digest) })),
      },
      runDetails: { builder: { id: 'urn:virtainers:builder', version: { virtainers: version } } },
    },
  };
}

function digestSet(digest: string): Record<string, string> {
  const [algorithm = '', value = ''] = digest.split(':');
  return { [algorithm]: value };
}
