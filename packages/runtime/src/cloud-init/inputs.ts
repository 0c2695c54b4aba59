import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { VirtainersError } from '@virtainers/core';

/** Where a user mounts what cloud-init shall get. Read, never written. */
export const INPUT_PATHS = {
  publicKeys: '/tmp/id_rsa.pub',
  userData: '/tmp/user-data',
  metaData: '/tmp/meta-data',
  networkConfig: '/tmp/network-config',
  iso: '/tmp/cloud_init.iso',
} as const;

export type InputPaths = Readonly<Record<keyof typeof INPUT_PATHS, string>>;

/** What the user brought; undefined what is not there. */
export interface SeedInputs {
  /** One key a line, as in authorized_keys. */
  readonly publicKeys: string | undefined;
  /** Any bytes: cloud-config, a script, multipart, gzip. Never looked into. */
  readonly userData: Uint8Array | undefined;
  /** YAML; checked by planSeed. */
  readonly metaData: string | undefined;
  readonly networkConfig: string | undefined;
  /** A seed made by the user: attached as it is. */
  readonly isoPath: string | undefined;
}

/** The doors to the file system. */
export interface InputReaders {
  kind(path: string): Promise<'file' | 'directory' | 'other' | undefined>;
  /** Rejects when the file may not be read. */
  check(path: string): Promise<void>;
  read(path: string): Promise<Uint8Array>;
}

/** The real ones. */
export const fileReaders: InputReaders = {
  async kind(path) {
    const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw error;
    });
    if (!facts) return undefined;
    return facts.isFile() ? 'file' : facts.isDirectory() ? 'directory' : 'other';
  },
  check: (path) => access(path, constants.R_OK),
  read: (path) => readFile(path),
};

const MAX_TEXT = 16 * 1024 * 1024;

/** Throws one CONFIG_INVALID that lists every mount that cannot be used. */
export async function readInputs(paths: InputPaths, readers: InputReaders): Promise<SeedInputs> {
  const problems: string[] = [];
  const bytes = async (path: string): Promise<Uint8Array | undefined> => {
    if (!(await isUsable(path, readers, problems))) return undefined;
    const content = await readers.read(path);
    if (content.length <= MAX_TEXT) return content;
    problems.push(`${path}: ${content.length} bytes; at most ${MAX_TEXT} are read`);
    return undefined;
  };
  const text = async (path: string): Promise<string | undefined> => decode(path, await bytes(path), problems);
  const inputs: SeedInputs = {
    publicKeys: await text(paths.publicKeys),
    userData: await bytes(paths.userData),
    metaData: await text(paths.metaData),
    networkConfig: await text(paths.networkConfig),
    isoPath: (await isUsable(paths.iso, readers, problems)) ? paths.iso : undefined,
  };
  if (problems.length > 0) {
    throw new VirtainersError('CONFIG_INVALID', `reading what cloud-init shall get:\n  ${problems.join('\n  ')}`, {
      hint: "check the paths on the host in the container's -v options; a relative or missing one becomes a folder",
    });
  }
  return inputs;
}

async function isUsable(path: string, readers: InputReaders, problems: string[]): Promise<boolean> {
  try {
    const kind = await readers.kind(path);
    if (kind === undefined) return false;
    if (kind === 'file') {
      await readers.check(path);
      return true;
    }
    problems.push(
      kind === 'directory'
        ? `${path}: a folder, not a file: the host's file was missing when the container was made`
        : `${path}: not a regular file`,
    );
  } catch (error) {
    problems.push(`${path}: ${error instanceof Error ? error.message : error}`);
  }
  return false;
}

function decode(path: string, bytes: Uint8Array | undefined, problems: string[]): string | undefined {
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    problems.push(`${path}: not UTF-8 text`);
    return undefined;
  }
}
