import { formatSize, type Qcow2Header, qcow2Problem, VirtainersError } from '@virtainers/core';
import type { Sidecar, SidecarBase } from './sidecar.ts';

export interface OverlayFacts {
  /** For messages. */
  readonly path: string;
  /** Undefined: no overlay there yet. */
  readonly header: Qcow2Header | undefined;
  readonly sidecar: Sidecar | undefined;
  /** Undefined: the image has no disk and none is mounted. */
  readonly base: SidecarBase | undefined;
  /** DISK_SIZE in bytes. */
  readonly diskSize: number | undefined;
}

export type OverlayPlan =
  | {
      readonly action: 'create';
      readonly base: SidecarBase;
      readonly size: number;
      readonly warnings: readonly string[];
    }
  | {
      readonly action: 'use';
      /** What the overlay stands on; null: on nothing. */
      readonly base: SidecarBase | null;
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
 * Without a sidecar (the seeds made none; one file is easily copied alone) nothing tells the base's bytes. Such an
 * overlay is taken, with a warning, when its header names the very path where this base lies, and the base fits into it;
 * every other is refused.
 */
export function planOverlay(facts: OverlayFacts): OverlayPlan {
  const { header } = facts;
  if (!header) return planNew(facts);
  const problem = qcow2Problem(header);
  if (problem) throw new VirtainersError('DISK_REFUSED', `opening ${facts.path}: ${problem}`);
  const use = facts.sidecar ? checkBound(facts, header, facts.sidecar) : checkUnbound(facts, header);
  const size = Number(header.virtualSize);
  const growTo = checkSize(facts.diskSize, size, 'the disk in the data folder');
  return { action: 'use', size: growTo ?? size, growTo, adopted: !facts.sidecar, ...use };
}

function planNew({ base, diskSize }: OverlayFacts): OverlayPlan {
  if (!base) throw noDisk();
  const size = checkSize(diskSize, base.virtualSize, "the image's disk") ?? base.virtualSize;
  return { action: 'create', base, size, warnings: [] };
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
  readonly base: SidecarBase | null;
  readonly warnings: readonly string[];
}

function checkBound(facts: OverlayFacts, header: Qcow2Header, sidecar: Sidecar): Use {
  const { path, base } = facts;
  if (header.backingFile !== sidecar.base?.path) {
    throw new VirtainersError(
      'DISK_REFUSED',
      `opening ${path}: it names ${named(header.backingFile)} as its base, its sidecar ${named(sidecar.base?.path)}`,
      { hint: 'it is not the overlay that its sidecar belongs to; put back the pair that was copied together' },
    );
  }
  if (!sidecar.base) return { base: null, warnings: [] };
  if (!base) throw noDisk();
  if (base.sha256 === sidecar.base.sha256 && base.size === sidecar.base.size) {
    return { base: { ...base, path: sidecar.base.path }, warnings: [] };
  }
  throw mismatch(path, sidecar, base);
}

function checkUnbound({ path, base }: OverlayFacts, header: Qcow2Header): Use {
  const written = header.backingFile;
  if (written === undefined) return { base: null, warnings: [`${path} stands alone: the image's disk is not used`] };
  if (!base) throw noDisk();
  const mounted = base.seen !== undefined;
  const fits = written === base.path || (mounted && written === SEED_BASE);
  if (!fits || header.virtualSize < BigInt(base.virtualSize)) {
    throw new VirtainersError(
      'BASE_MISMATCH',
      `opening ${path}: it has no sidecar (local_image.json), and was made on ${named(written)}, a disk of at most ${header.virtualSize} bytes; this one is ${base.path} (${base.sha256}), ${base.virtualSize} bytes`,
      { hint: 'mount the disk that it was made on at /image of the generic image, or move it away to start afresh' },
    );
  }
  const warning = `${path} has no sidecar: nothing can tell whether it was made on this base disk (${base.sha256}); it is taken for it, and bound to it from now on`;
  return { base: { ...base, path: written }, warnings: [warning] };
}

function mismatch(path: string, sidecar: Sidecar, base: SidecarBase): VirtainersError {
  const made = sidecar.reference ? ` (${sidecar.reference})` : '';
  return new VirtainersError(
    'BASE_MISMATCH',
    `opening ${path}: it was made on the base disk ${sidecar.base?.sha256}${made}, ${sidecar.base?.size} bytes; this image's is ${base.sha256}, ${base.size} bytes`,
    {
      hint: `run the image that it was made with${made}; or use another data folder; or move local_image.qcow2 and local_image.json away to start afresh`,
    },
  );
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

function named(path: string | undefined): string {
  return path === undefined ? 'no disk' : JSON.stringify(path.slice(0, 200));
}
