import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { VirtainersError } from '@virtainers/core';
import { isReference, shortName } from './reference.ts';
import { indexTar, looksLikeTar } from './tar-index.ts';

/** Where an image lies: skopeo's words (containers-transports(5)), and `oci://` for a registry. */
const TRANSPORTS = {
  'oci://': 'registry',
  'docker://': 'registry',
  'containers-storage:': 'containers-storage',
  'docker-daemon:': 'docker-daemon',
  'docker-archive:': 'docker-archive',
  'oci-archive:': 'layout',
  'oci:': 'layout',
} as const;

export type Transport = (typeof TRANSPORTS)[keyof typeof TRANSPORTS];

/** An image that somebody has made. */
export interface ImageOrigin {
  readonly kind: 'image';
  readonly transport: Transport;
  /** A reference or, of an archive or a layout, a path. */
  readonly name: string;
  /** Which image of an archive or a layout; otherwise the only one. */
  readonly reference?: string | undefined;
  /** What the image is called: `fedora:40`, or the file's name without its ending. */
  readonly stem: string;
  /** As it may be published: no folders. */
  readonly label: string;
}

/** Undefined for a word that names no transport. ARGUMENTS_BAD for one that names an image badly; its words are not repeated. */
export function parseImageOrigin(source: string): ImageOrigin | undefined {
  const [prefix, transport] = Object.entries(TRANSPORTS).find(([word]) => source.startsWith(word)) ?? [];
  if (prefix === undefined || transport === undefined) return undefined;
  const rest = source.slice(prefix.length);
  if (transport !== 'layout' && transport !== 'docker-archive') {
    if (!isReference(rest)) throw badReference(prefix);
    const label = transport === 'registry' ? rest : `${prefix}${rest}`;
    return { kind: 'image', transport, name: rest, stem: shortName(rest), label };
  }
  const [, path = '', reference] = /^([^:]*)(?::(.+))?$/.exec(rest) ?? [];
  if (path === '') throw badReference(prefix);
  const label = `${prefix}${basename(path)}${reference === undefined ? '' : `:${reference}`}`;
  const stem = stemOf(path);
  return { kind: 'image', transport, name: path, stem, label, ...(reference === undefined ? {} : { reference }) };
}

/** An archive or a layout folder by what is in it; undefined for anything else, such as a disk. ARCHIVE_INVALID. */
export async function imageOriginAt(path: string): Promise<ImageOrigin | undefined> {
  const stats = await stat(path).catch(() => undefined);
  const origin = (transport: Transport): ImageOrigin => {
    return { kind: 'image', transport, name: path, stem: stemOf(path), label: basename(path) };
  };
  if (stats?.isDirectory()) {
    return (await stat(join(path, 'oci-layout')).catch(() => undefined)) && origin('layout');
  }
  if (!stats?.isFile() || !(await looksLikeTar(path))) return undefined;
  const members = await indexTar(path);
  if (members.has('index.json')) return origin('layout');
  return members.has('manifest.json') ? origin('docker-archive') : undefined;
}

function stemOf(path: string): string {
  return basename(path).replace(/\.tar$/i, '') || 'disk';
}

function badReference(prefix: string): VirtainersError {
  return new VirtainersError('ARGUMENTS_BAD', `what follows ${prefix} names no image`, {
    hint: 'write a registry or engine image as [HOST[:PORT]/]NAME[:TAG|@sha256:DIGEST], an archive or layout as PATH[:NAME]; credentials belong into `skopeo login`',
  });
}
