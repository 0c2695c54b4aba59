import { basename } from 'node:path';
import { VirtainersError } from '@virtainers/core';
import type { BuildContext } from '../context.ts';
import { wayOf } from './door.ts';
import { fetchSmall } from './fetch-text.ts';
import { type Found, fill } from './find/find.ts';
import { findIn, type How, indexOf } from './find/table.ts';
import { unavailable } from './http.ts';
import { type Origin, parseOrigin, publicUrl } from './locate.ts';
import { type VendorKey, verifyClearSigned, verifyDetached } from './signature.ts';
import { mismatch, type Sums } from './sums.ts';
import { sumsOf } from './sums-file.ts';

/** A server that has the file, and how it is found there. */
export interface Place {
  readonly url: string;
  readonly find: How;
}

/**
 * Who vouches for a file: the vendor's signature, checked; a digest in the definition; nobody but the server (`unsigned`:
 * the vendor signs nothing; `unchecked`: it does, with a key that does not come along).
 */
export const TRUSTS = ['signed', 'pinned', 'unsigned', 'unchecked'] as const;

export type Trust = (typeof TRUSTS)[number];

/** What is signed: the file of sums beside itself or within itself, or the image. */
export type Signature =
  | { readonly kind: 'none' }
  | { readonly kind: 'clear'; readonly key?: VendorKey | undefined }
  | { readonly kind: 'detached' | 'image'; readonly file: string; readonly key?: VendorKey | undefined };

/** How one architecture's file of a release is found and checked. Names may hold `{words}` of Found, and `{file}`. */
export interface Recipe {
  readonly places: readonly Place[];
  /** The file of sums, relative to the image. */
  readonly sums?: string | undefined;
  readonly signature: Signature;
  /** A sum that the definition knows: then no other is asked for. */
  readonly pin?: Sums | undefined;
}

/** A file that was found, and what it must hash to. */
export interface VendorFile {
  readonly origin: Origin & { kind: 'url' };
  readonly sums: Sums;
  /** Bytes, where an index says it. */
  readonly size: number | undefined;
  readonly trust: Trust;
  /** What remains to be checked once the image is here. */
  readonly imageSignature?: { readonly bytes: Buffer; readonly key: VendorKey } | undefined;
}

/** Who will vouch for what `recipe` describes. */
export function trustOf({ pin, signature }: Pick<Recipe, 'pin' | 'signature'>): Trust {
  if (pin) return 'pinned';
  if (signature.kind === 'none') return 'unsigned';
  return signature.key ? 'signed' : 'unchecked';
}

/** Finds the newest file at one place, with its sums, checked as the recipe says. SOURCE_UNAVAILABLE, SIGNATURE_BAD, DIGEST_MISMATCH. */
export async function resolveAt(ctx: BuildContext, recipe: Recipe, place: Place): Promise<VendorFile> {
  const base = new URL(place.url);
  const found = await findAt(ctx, place, base);
  const url = new URL(found.path, base);
  const file = basename(decodeURIComponent(url.pathname));
  const names = { ...found.words, file };
  const origin = parseOrigin(url.href);
  if (origin.kind !== 'url') throw new Error(`${url.href} is no URL`);
  const trust = trustOf(recipe);
  if (recipe.pin) return { origin, sums: recipe.pin, size: found.size, trust };
  const sums = recipe.sums === undefined ? {} : await readSums(ctx, recipe, url, names);
  const { signature } = recipe;
  const both = agree(found.sums, sums, publicUrl(url));
  if (signature.kind !== 'image' || !signature.key) return { origin, sums: both, size: found.size, trust };
  const { bytes } = await small(ctx, new URL(fill(signature.file, names), url));
  return { origin, sums: both, size: found.size, trust, imageSignature: { bytes, key: signature.key } };
}

async function findAt(ctx: BuildContext, { find }: Place, base: URL): Promise<Found> {
  const index = indexOf(find);
  const url = new URL(index ?? '', base);
  const text = index === undefined ? '' : (await small(ctx, url, find.kind === 'listing')).bytes.toString('utf8');
  let found: Found | undefined;
  try {
    found = findIn(text, find);
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    throw unavailable(publicUrl(url), `it is not the index that was expected (${reason})`, NEWER, cause);
  }
  if (found) return found;
  throw unavailable(publicUrl(url), `it names no file for this release (${JSON.stringify(find)})`, NEWER);
}

const NEWER =
  'the vendor may have moved it: give the URL of the image and its --sha256, or look for a newer virtainers';

/** The sums of the file, from what its vendor signed where it is signed. */
async function readSums(
  ctx: BuildContext,
  { sums = '', signature }: Recipe,
  image: URL,
  names: Readonly<Record<string, string>>,
): Promise<Sums> {
  const url = new URL(fill(sums, names), image);
  const [label, file] = [publicUrl(url), names['file'] ?? ''];
  const { bytes } = await small(ctx, url);
  let text = bytes.toString('utf8');
  if (signature.kind === 'clear' && signature.key) text = await verifyClearSigned(ctx, signature.key, bytes, label);
  if (signature.kind === 'detached' && signature.key) {
    const beside = await small(ctx, new URL(fill(signature.file, names), image));
    await verifyDetached(ctx, signature.key, beside.bytes, bytes, label);
  }
  const found = sumsOf(text, file);
  if (found) return found;
  throw unavailable(label, `it has no sum for ${file}`, NEWER);
}

/** What the index and the file of sums say of one file, which must not differ. */
function agree(index: Sums, file: Sums, label: string): Sums {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const [one, other] = [index[algorithm], file[algorithm]];
    if (one !== undefined && other !== undefined && one !== other) {
      throw mismatch(`the index and the sums of ${label}`, `${algorithm}:${one}`, `${algorithm}:${other}`);
    }
  }
  const sums = { ...definedOnly(index), ...definedOnly(file) };
  if (sums.sha256 === undefined && sums.sha512 === undefined) {
    throw new VirtainersError('SOURCE_UNAVAILABLE', `fetching ${label}: its vendor gives no sum for it`, {
      hint: NEWER,
    });
  }
  return sums;
}

function definedOnly({ sha256, sha512 }: Sums): Sums {
  return { ...(sha256 === undefined ? {} : { sha256 }), ...(sha512 === undefined ? {} : { sha512 }) };
}

function small(ctx: BuildContext, url: URL, html = false) {
  return fetchSmall({ url, html, ...wayOf(ctx) });
}
