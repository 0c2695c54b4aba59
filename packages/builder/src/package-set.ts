import type { Digest } from '@virtainers/core';

/** Debian packages of fixed versions that a layer or a program was made from. */
export interface PackageSet {
  /** Of the lock file, without `.lock`. */
  readonly name: string;
  /** Of the lock file's text. */
  readonly lock: Digest;
  /** What stands before a package's path. */
  readonly mirror: string;
  readonly suite: string;
  readonly packages: readonly SetPackage[];
}

export interface SetPackage {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly sha256: string;
  /** Relative to the mirror, percent-encoded; its folder is called like the source package. */
  readonly path: string;
}

/** Those of them that are known. */
export function setsOf(...sets: readonly (PackageSet | undefined)[]): PackageSet[] {
  return sets.filter((set) => set !== undefined);
}
