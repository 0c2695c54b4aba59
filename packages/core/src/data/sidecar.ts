import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { isDigest } from '../digest.ts';
import { VirtainersError } from '../errors.ts';
import { writeFileAtomically } from '../files.ts';
import { checkFormatVersion } from '../format-version.ts';

const linkSchema = z.looseObject({
  /** Of the file's bytes: its identity. */
  sha256: z.custom<`sha256:${string}`>(isDigest, 'not a sha256 digest'),
  size: z.int().positive(),
  virtualSize: z.int().positive(),
  format: z.enum(['qcow2', 'raw', 'vmdk', 'vhdx', 'vdi']),
  /** As written in the header of what lies on it. Never followed, only compared. */
  path: z.string(),
  /** Of a mounted base, when it was hashed: the same facts mean the same bytes. Decimal numbers; times in ns. */
  seen: z.looseObject({ inode: z.string(), size: z.string(), mtime: z.string(), ctime: z.string() }).optional(),
});

const FORMAT_VERSION = 2;

/** local_image.json: what belongs to an overlay for its life. */
const sidecarSchema = z.looseObject({
  formatVersion: z.literal(FORMAT_VERSION),
  /** Of this data folder. Secret from the guest: it salts the instance-id. */
  volumeId: z.uuid(),
  /** Of the libvirt domain. */
  uuid: z.uuid(),
  macs: z.array(z.string().regex(/^52:54:00(:[0-9a-f]{2}){3}$/)).min(1),
  /** What the overlay lies on: the base disk, then published overlays; empty: it stands alone. */
  chain: z.array(linkSchema),
  /** The image's, as the caller of the container named it. */
  reference: z.string().optional(),
  /** Of the image's layers, bottom first: which image it was at the last start, whatever it is called. */
  diffIDs: z.array(z.custom<`sha256:${string}`>(isDigest, 'not a sha256 digest')).optional(),
  /** The seed's, at the last start. */
  instanceId: z.string().optional(),
  /** A snapshot that was restored: its memory is resumed by the next start. */
  resume: z.string().optional(),
  /** By the name of a snapshot: what its memory depends on, by name. One without a snapshot of its name means nothing. */
  memories: z.record(z.string(), z.record(z.string(), z.string())).optional(),
  /** The random one that the seed sets while nothing else lets anybody in. */
  generatedPassword: z.string().optional(),
});

export type Sidecar = z.infer<typeof sidecarSchema>;

/** A disk that another one lies on. */
export type ChainLink = z.infer<typeof linkSchema>;

const MACS = 8;

/** Undefined when there is none. Throws DISK_REFUSED for one that this version cannot understand. */
export async function readSidecar(path: string): Promise<Sidecar | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new VirtainersError('DATA_UNWRITABLE', `reading ${path}: ${error.message}`, { cause: error });
  });
  return text === undefined ? undefined : parseSidecar(text, path);
}

export function parseSidecar(text: string, where: string): Sidecar {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new VirtainersError('DISK_REFUSED', `reading ${where}: not JSON`, { cause, hint: MOVE_AWAY });
  }
  const version = checkFormatVersion(json, FORMAT_VERSION, where, 'DISK_REFUSED');
  const parsed = sidecarSchema.safeParse(version === 1 ? upgrade(json as object) : json);
  if (parsed.success) return parsed.data;
  throw new VirtainersError('DISK_REFUSED', `reading ${where}:\n${z.prettifyError(parsed.error)}`, {
    cause: parsed.error,
    hint: MOVE_AWAY,
  });
}

const MOVE_AWAY = 'restore the file; without it nothing says which base disk the overlay beside it was made on';

/** Version 1 knew a base, or null, and no published overlays. */
function upgrade({ base, ...rest }: { base?: unknown }): object {
  return { ...rest, formatVersion: FORMAT_VERSION, chain: base === null ? [] : [base] };
}

export async function writeSidecar(path: string, sidecar: Sidecar): Promise<void> {
  await writeFileAtomically(path, `${JSON.stringify(sidecar, undefined, 2)}\n`, 0o600);
}

/** A new identity. */
export function newSidecar(chain: readonly ChainLink[], reference: string | undefined): Sidecar {
  const uuid = randomUUID();
  return {
    formatVersion: FORMAT_VERSION,
    volumeId: randomUUID(),
    uuid,
    macs: Array.from({ length: MACS }, (_, index) => deriveMac(uuid, index)),
    chain: [...chain],
    ...(reference === undefined ? {} : { reference }),
  };
}

/** The `index`th network card's address: the recorded one, and beyond those one that follows from the UUID. */
export function macAt(sidecar: Pick<Sidecar, 'uuid' | 'macs'>, index: number): string {
  return sidecar.macs[index] ?? deriveMac(sidecar.uuid, index);
}

/** 52:54:00 is QEMU's and locally administered. The last byte counts, so that no two cards of a machine are alike. */
function deriveMac(uuid: string, index: number): string {
  const hash = createHash('sha256').update(uuid).digest();
  const bytes = [hash[0] ?? 0, hash[1] ?? 0, ((hash[2] ?? 0) + index) % 256];
  return `52:54:00:${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
}
