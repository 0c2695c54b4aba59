import {
  type ChainLink,
  checkBinding,
  checkChain,
  checkOverlayHeader,
  formatSize,
  type Qcow2Header,
  quotedPath,
  type Sidecar,
  VirtainersError,
} from '@virtainers/core';

export interface OverlayFacts {
  /** For messages. */
  readonly path: string;
  /** Undefined: no overlay there yet. */
  readonly header: Qcow2Header | undefined;
  readonly sidecar: Sidecar | undefined;
  /** What the image brings, the base disk first; empty: it has no disk and none is mounted. */
  readonly chain: readonly ChainLink[];
  /** DISK_SIZE in bytes. */
  readonly diskSize: number | undefined;
}

export type OverlayPlan =
  | {
      readonly action: 'create';
      readonly chain: readonly ChainLink[];
      readonly size: number;
      readonly warnings: readonly string[];
    }
  | {
      readonly action: 'use';
      /** What the overlay lies on, paths as its header has them; empty: on nothing. */
      readonly chain: readonly ChainLink[];
      readonly size: number;
      readonly growTo: number | undefined;
      /** It came without a sidecar. */
      readonly adopted: boolean;
      readonly warnings: readonly string[];
    };

/** The seeds' base path, written in every overlay they made. */
const SEED_BASE = '/image';

/**
 * Decides what happens to the overlay before anything is written. Throws BASE_MISMATCH, DISK_REFUSED or CONFIG_INVALID.
 *
 * Without an overlay a new one is made, whatever a sidecar says: its overlay was deleted, or never finished.
 * Without a sidecar (the seeds made none; one file is easily copied alone) the overlay itself tells the base's bytes, or nothing
 * does. One of the latter is taken, with a warning, when its header names the very path where this base lies, and the base fits into it;
 * every other is refused.
 */
export function planOverlay(facts: OverlayFacts): OverlayPlan {
  const { header } = facts;
  if (!header) return planNew(facts);
  const use = facts.sidecar ? checkBound(facts, header, facts.sidecar) : checkUnbound(facts, header);
  const size = Number(header.virtualSize);
  const growTo = checkSize(facts.diskSize, size, 'the disk in the data folder');
  return { action: 'use', size: growTo ?? size, growTo, adopted: !facts.sidecar, ...use };
}

function planNew({ chain, diskSize }: OverlayFacts): OverlayPlan {
  const top = chain.at(-1);
  if (!top) throw noDisk();
  const size = checkSize(diskSize, top.virtualSize, "the image's disk") ?? top.virtualSize;
  return { action: 'create', chain, size, warnings: [] };
}

function checkSize(wanted: number | undefined, size: number, what: string): number | undefined {
  if (wanted === undefined || wanted === size) return undefined;
  if (wanted > size) return wanted;
  throw new VirtainersError(
    'CONFIG_INVALID',
    `DISK_SIZE=${wanted} (${formatSize(wanted)}): ${what} has ${size} bytes (${formatSize(size)}), and a disk is never shrunk`,
    { hint: `leave DISK_SIZE out, or set at least ${size}` },
  );
}

interface Use {
  readonly chain: readonly ChainLink[];
  readonly warnings: readonly string[];
}

function checkBound({ path, chain }: OverlayFacts, header: Qcow2Header, sidecar: Sidecar): Use {
  checkOverlayHeader(header, sidecar.chain.at(-1)?.path, path);
  checkBinding(header, sidecar.chain, path, 'the local_image.json beside it');
  if (sidecar.chain.length === 0) return { chain: [], warnings: [] };
  if (chain.length === 0) throw noDisk();
  checkChain(sidecar, chain, path);
  return {
    chain: chain.map((link, index) => ({ ...link, path: sidecar.chain[index]?.path ?? link.path })),
    warnings: [],
  };
}

function checkUnbound({ path, chain }: OverlayFacts, header: Qcow2Header): Use {
  const written = header.backingFile;
  const top = chain.at(-1);
  const mounted = top?.seen !== undefined;
  const fits = written !== undefined && (written === top?.path || (mounted && written === SEED_BASE));
  checkOverlayHeader(header, written, path);
  if (written === undefined) return { chain: [], warnings: [`${path} stands alone: the image's disk is not used`] };
  if (!top) throw noDisk();
  if (!fits || header.virtualSize < BigInt(top.virtualSize)) {
    throw new VirtainersError(
      'BASE_MISMATCH',
      `opening ${path}: it has no sidecar (local_image.json), and was made on ${quotedPath(written)}, a disk of at most ${header.virtualSize} bytes; this one is ${top.path} (${top.sha256}), ${top.virtualSize} bytes`,
      { hint: 'mount the disk that it was made on at /image of the generic image, or move it away to start afresh' },
    );
  }
  const adopted = [...chain.slice(0, -1), { ...top, path: written }];
  if (header.boundTo !== undefined) {
    checkBinding(header, adopted, path, 'the image');
    return { chain: adopted, warnings: [] };
  }
  const warning = `${path} has no sidecar: nothing can tell whether it was made on this base disk (${top.sha256}); it is taken for it, and bound to it from now on`;
  return { chain: adopted, warnings: [warning] };
}

function noDisk(): VirtainersError {
  return new VirtainersError(
    'CONFIG_INVALID',
    'looking for a disk: the image has none, and none is mounted at /image',
    {
      hint: 'mount a cloud image: -v /path/to/disk.qcow2:/image:ro',
    },
  );
}
