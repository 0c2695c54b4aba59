import { type Digest, type Machine, VirtainersError } from '@virtainers/core';
import { timestamp } from './image.ts';
import { ROOT_LABEL } from './published-root.ts';

/** What is known of an image beside machine.json. */
export interface Provenance {
  readonly title: string;
  /** Seconds since 1970. */
  readonly created: number;
  readonly license: string | undefined;
  readonly homepage: string | undefined;
  /** diffID of the runtime root. */
  readonly root: string;
  /** By name. */
  readonly features: readonly string[];
  /** Where the disk came from, as far as it may be published: a file's name or address, or the catalogue's name. */
  readonly source: string;
  /** Of the cloud image's file, as its vendor publishes it; a disk made from packages came from no file and has none. */
  readonly sourceDigest: string | undefined;
  /** Of the image that the disk was taken out of: its manifest's digest, or Docker's image id. */
  readonly sourceImage?: Digest | undefined;
  /** Who vouches for that file: its vendor's signature, a sum that the catalogue knows, or the server alone. */
  readonly trust?: string | undefined;
  /** Version of the qemu-img that wrote the disk; undefined where the vendor's bytes were kept. */
  readonly convertedBy: string | undefined;
}

/** What an image says of itself under these is what it is: nobody else may say so. */
const RESERVED = 'io.virtainers.';

/** ARGUMENTS_BAD, naming every label that is not for its user to give. */
export function checkOwnLabels(own: Readonly<Record<string, string>>): void {
  const problems = Object.keys(own).flatMap((key) => {
    if (key.startsWith(RESERVED)) return [`label ${key}: what begins with ${RESERVED} is said by virtainers itself`];
    return /^[^\s=]+$/.test(key) ? [] : [`label ${JSON.stringify(key)}: a key has neither spaces nor =`];
  });
  if (problems.length > 0) throw new VirtainersError('ARGUMENTS_BAD', problems.join('\n'));
}

/**
 * Labels say what tools need to know without pulling a layer; annotations repeat them (`load` drops those). By key, so
 * that the order in which `own` were given changes no digest.
 */
export function imageLabels(
  machine: Machine,
  provenance: Provenance,
  own: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const { disk, customized } = machine;
  const labels: Record<string, string | undefined> = {
    'io.virtainers.arch': machine.arch,
    'io.virtainers.customized': customized?.digest,
    'io.virtainers.customized.files': listed(customized?.files),
    'io.virtainers.customized.packages': listed(customized?.packages),
    'io.virtainers.customized.scripts': listed(customized?.scripts),
    'io.virtainers.disk.sha256': disk?.sha256,
    'io.virtainers.disk.size': disk && String(disk.size),
    'io.virtainers.disk.virtual-size': disk && String(disk.virtualSize),
    'io.virtainers.features': provenance.features.join(',') || undefined,
    'io.virtainers.firmware': machine.firmware,
    'io.virtainers.format-version': String(machine.formatVersion),
    'io.virtainers.name': machine.name,
    'io.virtainers.osinfo': machine.osinfo,
    'io.virtainers.ports': machine.ports.join(','),
    'io.virtainers.qemu-img': provenance.convertedBy,
    [ROOT_LABEL]: provenance.root,
    'io.virtainers.source': provenance.source,
    'io.virtainers.source.image': provenance.sourceImage,
    'io.virtainers.source.sha256': provenance.sourceDigest?.slice(7),
    'io.virtainers.source.trust': provenance.trust,
    'io.virtainers.user': machine.user,
    'org.opencontainers.image.created': timestamp(provenance.created),
    'org.opencontainers.image.licenses': provenance.license,
    'org.opencontainers.image.title': provenance.title,
    'org.opencontainers.image.url': provenance.homepage,
    'org.opencontainers.image.version': versionOf(machine.name),
    ...own,
  };
  const known = Object.entries(labels).filter((label): label is [string, string] => label[1] !== undefined);
  return Object.fromEntries(known.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function listed(names: readonly string[] = []): string | undefined {
  return names.length === 0 ? undefined : names.join(',');
}

/** `debian:13-packages` -> `13-packages`. */
function versionOf(name: string): string | undefined {
  const colon = name.indexOf(':');
  return colon === -1 ? undefined : name.slice(colon + 1);
}
