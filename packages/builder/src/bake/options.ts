import type { Architecture, Digest, Machine } from '@virtainers/core';
import type { DiskOptions } from '../bake-disk.ts';
import type { ImageDefinition } from '../definition/schema.ts';
import type { LayerName } from '../oci/layer.ts';
import type { LockOptions } from '../root/locked-packages.ts';
import type { Engine } from '../sink/engine.ts';
import type { SinkResult } from '../sink/sink.ts';

/** What one image shall be. */
export interface ImageOptions extends DiskOptions {
  /** A catalogue name, a path or an http(s) URL of a disk, or an image with a disk in it: `oci://REF` and skopeo's names. */
  readonly source: string;
  /**
   * References of the image; the first is its name. Default: `virtainers/<name>`. In each, in `push`, `sbom` and `provenance`, `{name}` and
   * `{tag}` stand for what the default would have there.
   */
  readonly tags?: readonly string[] | undefined;
  /** Labels beside those that say what the image is; of the latter only `org.opencontainers.*` may be given anew. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** The registry's reference that it is sent to. */
  readonly push?: string | undefined;
  /** What the guest is made for; otherwise what a file's name says, or amd64. */
  readonly arch?: Architecture | undefined;
  /** What its container is made for; otherwise the same. A guest of another one is emulated. */
  readonly platform?: Architecture | undefined;
  /** Files for an SPDX document of what is in the image, and for in-toto's statement of what it was made from. */
  readonly sbom?: string | undefined;
  readonly provenance?: string | undefined;
  /** What the guest is, where no definition says it or another one is wanted. */
  readonly user?: string | undefined;
  readonly osinfo?: string | undefined;
  readonly firmware?: Machine['firmware'] | undefined;
  readonly ports?: readonly number[] | undefined;
  /** By name, beside those that the guest cannot boot without. */
  readonly features?: readonly string[] | undefined;
}

/** What all images of a call have in common. */
export interface CommonOptions extends LockOptions {
  /** What can be baked by name; by default what comes along. */
  readonly definitions?: readonly ImageDefinition[] | undefined;
  /** A published virtainer (reference, archive or layout folder) whose runtime root is taken. */
  readonly runtime?: string | undefined;
  /** One image: the archive. Several: one archive of all where it ends in `.tar`, else a folder of one archive each. */
  readonly output?: string | undefined;
  readonly load?: Engine | undefined;
  /** Sign what was pushed, with cosign: with this key, or without one by cosign's own means. */
  readonly sign?: { readonly key?: string | undefined } | undefined;
  /** Plain http, or a certificate that nobody vouches for. */
  readonly insecure?: boolean | undefined;
  /** How many disks are made at once; as many as there are processors, and no more than 4, unless given. */
  readonly concurrency?: number | undefined;
}

export interface BakeOptions extends ImageOptions, CommonOptions {}

export interface BakeAllOptions extends CommonOptions {
  readonly images: readonly ImageOptions[];
}

export interface BakeResult {
  /** `debian:13-packages`, or the file's name without its ending. */
  readonly name: string;
  readonly reference: string;
  /** Of the manifest; of the index where the name stands for several images. */
  readonly digest: Digest;
  /** Manifest, config and layers, in bytes. */
  readonly size: number;
  /** Of the images under an index, in the order given. */
  readonly platforms?: readonly { platform: string; digest: Digest; size: number }[] | undefined;
  readonly layers: readonly { name: LayerName; mediaType: string; digest: Digest; diffID: Digest; size: number }[];
  /** Nothing was made or written. */
  readonly cached: boolean;
  readonly sinks: readonly SinkResult[];
}

/** What became of one image of several. */
export type BakeOutcome =
  | { readonly source: string; readonly result: BakeResult }
  | { readonly source: string; readonly error: unknown };
