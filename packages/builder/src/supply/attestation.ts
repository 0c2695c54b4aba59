import packageJson from '../../package.json' with { type: 'json' };
import type { ImagePlan } from '../bake/plan.ts';
import type { BakedDisk } from '../bake-disk.ts';
import type { BuildContext } from '../context.ts';
import type { NamedImage } from '../oci/archive.ts';
import type { Artifact } from '../oci/artifact.ts';
import { type PackageSet, setsOf } from '../package-set.ts';
import { cacheKey } from '../root/content-cache.ts';
import { bundledPackages } from './bundled.ts';
import { type Dependency, provenanceStatement } from './provenance.ts';
import { spdxDocument } from './spdx.ts';

/** The documents about an image, by the word that asks for them. */
export const ATTESTATIONS = {
  sbom: 'application/spdx+json',
  provenance: 'application/vnd.in-toto+json',
} as const;

export type AttestationKind = keyof typeof ATTESTATIONS;

export interface Attestation extends Artifact {
  readonly kind: AttestationKind;
}

/** What a bake knows of an image's origin beside its layers. */
export interface Origins {
  readonly plan: ImagePlan;
  readonly baked: BakedDisk;
  /** The packages of the programs that made the disk. */
  readonly tools: PackageSet | undefined;
}

/** What is in the image, and what it was made from. */
export async function attest(ctx: BuildContext, named: NamedImage, origins: Origins): Promise<Attestation[]> {
  const { version } = packageJson;
  const { disk, vendor, customized } = origins.baked;
  const from = vendor?.url ?? sourceOf(origins.plan);
  const bundled = await bundledPackages(ctx.assetsDir);
  const facts = {
    version,
    created: ctx.sourceDateEpoch,
    disk: disk && { sha256: disk.sha256, from, customized },
    bundled,
  };
  const parameters = { ...parametersOf(origins.plan, ctx.sourceDateEpoch), ...(customized && { customized }) };
  const dependencies = dependenciesOf(named, origins);
  return [
    document('sbom', spdxDocument(named, facts)),
    document('provenance', provenanceStatement(named, { version, parameters, dependencies })),
  ];
}

function document(kind: AttestationKind, content: object): Attestation {
  return { kind, type: ATTESTATIONS[kind], bytes: Buffer.from(`${JSON.stringify(content, null, 2)}\n`) };
}

/** As far as it may be published: no path and no password. */
function sourceOf({ subject, name }: ImagePlan): string {
  return subject.kind === 'definition' ? name : subject.label;
}

function parametersOf(plan: ImagePlan, sourceDateEpoch: number): Record<string, unknown> {
  const { arch, platform, firmware, features, options } = plan;
  const { user, osinfo, ports, size, labels } = options;
  const asked = {
    user,
    osinfo,
    ports,
    size,
    labels:
      labels &&
      Object.entries(labels)
        .sort()
        .map(([key, value]) => `${key}=${value}`),
  };
  return {
    source: sourceOf(plan),
    arch,
    platform,
    ...firmware,
    features: features.map(({ name }) => name),
    ...Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)),
    sourceDateEpoch,
  };
}

function dependenciesOf({ image }: NamedImage, { plan, baked, tools }: Origins): Dependency[] {
  const { sourceDigest, vendor, image: source } = baked;
  const sets = setsOf(...image.layers.map(({ contents }) => contents), tools, ...(baked.disk?.madeFrom ?? []));
  const app = image.layers.filter(({ name }) => name === 'app');
  const root = image.layers.filter(({ name, contents }) => name === 'root' && !contents);
  const all: (Dependency | undefined)[] = [
    plan.subject.kind === 'definition'
      ? { name: `images/${plan.subject.definition.stem}.yaml`, digest: definitionDigest(plan.subject.definition) }
      : undefined,
    ...sets.map(({ name, lock }) => ({ name: `${name}.lock`, digest: lock })),
    ...root.map(({ diffID }) => ({ name: 'runtime root', digest: diffID })),
    ...app.map(({ diffID }) => ({ name: 'supervisor and templates', digest: diffID })),
    source && { name: 'image', uri: sourceOf(plan), digest: source.digest },
    sourceDigest === undefined
      ? undefined
      : {
          name: 'disk',
          uri: vendor?.url ?? sourceOf(plan),
          digest: sourceDigest,
          ...(vendor && { annotations: { trust: vendor.trust } }),
        },
  ];
  return all.filter((one) => one !== undefined);
}

/** Wherever its file lies. */
function definitionDigest({ path: _, ...content }: { readonly path: string }): string {
  return cacheKey(content);
}
