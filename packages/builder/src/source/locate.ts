import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VirtainersError } from '@virtainers/core';

/** Where a disk comes from. */
export type Origin =
  | { readonly kind: 'url'; readonly url: URL; readonly stem: string; readonly label: string }
  | { readonly kind: 'path'; readonly path: string; readonly stem: string; readonly label: string };

/** Whether `source` is a URL or a path at its face: everything else is a catalogue's name, or a file in this folder. */
export function looksLikeOrigin(source: string): boolean {
  return source.includes('/');
}

/** ARGUMENTS_BAD for a URL that is none of http, https and file. `label` is what may be published: no credentials, no folders. */
export function parseOrigin(source: string): Origin {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(source)) return pathOrigin(source);
  let url: URL;
  try {
    url = new URL(source);
  } catch (cause) {
    throw new VirtainersError('ARGUMENTS_BAD', `${JSON.stringify(source)} is not a URL`, { cause });
  }
  if (url.protocol === 'file:') return pathOrigin(pathOf(url));
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new VirtainersError('ARGUMENTS_BAD', `${url.protocol}// is not fetched; http, https and file are`);
  }
  return { kind: 'url', url, stem: stemOf(decode(url.pathname)), label: publicUrl(url) };
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new VirtainersError('ARGUMENTS_BAD', `${url.href} is no file of this machine`, { cause });
  }
}

/** Without user, password, query and fragment: tokens stand in all of them. */
export function publicUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function pathOrigin(source: string): Origin {
  const path = resolve(source);
  return { kind: 'path', path, stem: stemOf(path), label: basename(path) };
}

/** `/x/Fedora-44.qcow2.xz` -> `Fedora-44`. */
function stemOf(path: string): string {
  const name = basename(path).replace(/\.(?:xz|gz|zst|bz2)$/i, '');
  return name.replace(/\.(?:qcow2|raw|img|vmdk|vhdx|vdi|disk)$/i, '') || 'disk';
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
