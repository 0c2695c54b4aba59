import { open } from 'node:fs/promises';
import type { Digest } from './digest.ts';
import { readBinding } from './overlay-binding.ts';
import { backingName, qcow2Extensions } from './qcow2-extensions.ts';

/** What a qcow2 header says, read by us so that QEMU opens nothing on its word (QEMU, docs/interop/qcow2.rst). */
export interface Qcow2Header {
  readonly version: 2 | 3;
  /** Text as written in the header; never to be followed. */
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
  /** What a data folder's overlay says itself that it lies on (see overlay-binding.ts); undefined: nothing. */
  readonly boundTo: readonly Digest[] | undefined;
  readonly clusterSize: number;
  /** The smallest stretch of which it can say where it is kept: a cluster, or a 32nd of one (extended L2 entries). */
  readonly granularity: number;
  readonly virtualSize: bigint;
  readonly encrypted: boolean;
  readonly l1Size: number;
  readonly snapshots: number;
  /** Incompatible feature bit 0: not closed cleanly; lazy refcounts only. */
  readonly dirty: boolean;
  /** Incompatible feature bit 1. */
  readonly corrupt: boolean;
  /** Incompatible feature bit 2: data lives in another file. */
  readonly externalDataFile: boolean;
  /** Incompatible feature bits nobody here knows. */
  readonly unknownFeatures: bigint;
}

const MAGIC = 0x514649fb;
const EXTENSION_BACKING_FORMAT = 0xe2792aca;
const EXTENDED_L2 = 16n;
const KNOWN_INCOMPATIBLE = 0b11111n;

/** Reads the header from a file's first bytes (64 KiB are enough for any sane one). Undefined: not a qcow2 v2 or v3. */
export function parseQcow2Header(bytes: Buffer): Qcow2Header | undefined {
  if (bytes.length < 72 || bytes.readUInt32BE(0) !== MAGIC) return undefined;
  const version = bytes.readUInt32BE(4);
  if (version !== 2 && version !== 3) return undefined;
  if (version === 3 && bytes.length < 104) return undefined;
  const clusterBits = bytes.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) return undefined;
  const incompatible = version === 3 ? bytes.readBigUInt64BE(72) : 0n;
  const extensions = qcow2Extensions(bytes);
  const backingFormat = extensions?.find(({ type }) => type === EXTENSION_BACKING_FORMAT)?.data;
  return {
    version,
    backingFile: backingFile(bytes),
    backingFormat: backingFormat?.toString('utf8'),
    boundTo: readBinding(extensions),
    clusterSize: 2 ** clusterBits,
    granularity: 2 ** clusterBits / ((incompatible & EXTENDED_L2) === 0n ? 1 : 32),
    virtualSize: bytes.readBigUInt64BE(24),
    encrypted: bytes.readUInt32BE(32) !== 0,
    l1Size: bytes.readUInt32BE(36),
    snapshots: bytes.readUInt32BE(60),
    dirty: (incompatible & 1n) !== 0n,
    corrupt: (incompatible & 2n) !== 0n,
    externalDataFile: (incompatible & 4n) !== 0n,
    unknownFeatures: incompatible & ~KNOWN_INCOMPATIBLE,
  };
}

/** Opens, reads and closes; undefined as in parseQcow2Header. */
export async function readQcow2Header(path: string): Promise<Qcow2Header | undefined> {
  const handle = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(65536);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return parseQcow2Header(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}

function backingFile(bytes: Buffer): string | undefined {
  const { offset, length } = backingName(bytes);
  if (offset === 0) return undefined;
  return offset + length <= bytes.length ? bytes.toString('utf8', offset, offset + length) : '(outside the header)';
}
