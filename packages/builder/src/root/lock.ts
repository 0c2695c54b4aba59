import { type Architecture, type Digest, digestBytes, isDigest, VirtainersError } from '@virtainers/core';
import type { PackageSet } from '../package-set.ts';

/** What is to be installed, before anyone asked a mirror. `without` names packages that are resolved and then left out. */
export interface PackageSelection {
  /** Of the lock file, without `.lock`. */
  readonly name: string;
  readonly mirror: string;
  readonly suite: string;
  readonly arch: Architecture;
  readonly packages: readonly string[];
  readonly without: readonly string[];
  /** Packages are configured in a chroot, so essential and required ones belong to it. */
  readonly bootable: boolean;
}

/** One package as it was resolved. `path` is relative to the mirror, percent-encoded as in the mirror's index. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly sha256: string;
  readonly size: number;
  readonly path: string;
}

/** The content of images/<name>.lock. */
export interface Lock {
  readonly selection: Digest;
  readonly packages: readonly LockedPackage[];
}

const HEADER = '# virtainers lock 1';
const LINE =
  /^([a-z0-9][a-z0-9.+-]*) ([0-9A-Za-z.+~:-]+) (amd64|arm64|all) ([0-9a-f]{64}) ([1-9]\d{0,11}) ((?:[\w.+~%-]+\/)+[\w.+~%-]+\.deb)$/;

/** Identifies a selection: a lock holds for the one it was made for. */
export function selectionDigest(selection: PackageSelection): Digest {
  const { mirror: _, name: __, arch, ...rest } = selection;
  // The locks of amd64 are older than the choice.
  const other = arch === 'amd64' ? {} : { arch };
  return digestBytes(
    JSON.stringify({ ...rest, packages: [...rest.packages].sort(), without: [...rest.without].sort(), ...other }),
  );
}

/** One line a package, by name, so that a diff shows what moved. */
export function formatLock(lock: Lock): string {
  const lines = lock.packages.map((p) => `${p.name} ${p.version} ${p.arch} ${p.sha256} ${p.size} ${p.path}`);
  return [HEADER, `# selection ${lock.selection}`, ...lines.sort(), ''].join('\n');
}

/** What a selection became, for whoever lists what is in an image. */
export function packageSet({ name, mirror, suite }: PackageSelection, lock: Lock): PackageSet {
  return { name, lock: digestBytes(formatLock(lock)), mirror, suite, packages: lock.packages };
}

/** Throws DEFINITION_INVALID with every line that is not one of a lock. */
export function parseLock(text: string, where: string): Lock {
  const [header, second = '', ...rest] = text.split('\n');
  const selection = second.replace(/^# selection /, '');
  if (header !== HEADER || !isDigest(selection)) {
    throw new VirtainersError('DEFINITION_INVALID', `reading ${where}: not a lock file of this version`, {
      hint: 'make it again with --update-lock',
    });
  }
  const lines = rest.filter((line) => line !== '' && !line.startsWith('#'));
  const bad = lines.filter((line) => !LINE.test(line) || line.includes('..'));
  if (bad.length > 0 || lines.length === 0) {
    const problems = bad.map((line) => `${where}: not a package: ${line.slice(0, 100)}`);
    throw new VirtainersError(
      'DEFINITION_INVALID',
      [`reading ${where}: ${bad.length} bad lines`, ...problems].join('\n  '),
    );
  }
  return { selection, packages: lines.map(parseLine) };
}

function parseLine(line: string): LockedPackage {
  const [, name = '', version = '', arch = '', sha256 = '', size = '', path = ''] = LINE.exec(line) ?? [];
  return { name, version, arch, sha256, size: Number(size), path };
}
