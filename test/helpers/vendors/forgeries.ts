import { basename } from 'node:path';
import type { CloudDefinition } from '../../../packages/builder/src/definition/schema.ts';
import { fill } from '../../../packages/builder/src/source/find/find.ts';
import { bsdLine, type Fixture, sha256, sha512 } from './kit.ts';
import type { Signer } from './signer.ts';

type Files = Readonly<Record<string, Buffer | undefined>>;

/** What of a release is signed, and where its signature stands. */
interface Signed {
  readonly kind: 'clear' | 'detached' | 'image';
  readonly image: { readonly url: string; readonly disk: Buffer };
  /** The file of sums. */
  readonly sums: string;
  readonly text: string;
  /** All that is published. */
  readonly files: Readonly<Record<string, Buffer>>;
  /** Of the signature; the sums' own where they are signed within themselves. */
  readonly signature: string;
}

interface Forgery {
  readonly what: string;
  readonly kinds: readonly Signed['kind'][];
  readonly code: 'SIGNATURE_BAD' | 'SOURCE_UNAVAILABLE';
  /** What is otherwise than the vendor published it; undefined: gone. */
  forge(signed: Signed, vendor: Signer, stranger: Signer): Promise<Files> | Files;
}

const ANY = ['clear', 'detached', 'image'] as const;
const EVIL = Buffer.from('an evil disk');

/** What somebody between us and a vendor may try. */
export const FORGERIES: readonly Forgery[] = [
  {
    what: 'a signature by somebody else',
    kinds: ANY,
    code: 'SIGNATURE_BAD',
    forge: async (signed, _vendor, stranger) => ({ [signed.signature]: await sign(signed, stranger) }),
  },
  {
    what: 'what is signed, changed',
    kinds: ANY,
    code: 'SIGNATURE_BAD',
    forge: ({ kind, image, sums, text, files }) => {
      if (kind !== 'image') return { [sums]: Buffer.from(`${asEvil(text, image.disk)}\n`) };
      // Of the other files those that name a sum of it; a signature is no text.
      const texts = Object.entries(files).map(([url, content]) => [url, content.toString()] as const);
      const forged = texts.map(([url, said]) => [url, said, asEvil(said, image.disk)] as const);
      const changed = forged.filter(([, said, evil]) => said !== evil).map(([url, , evil]) => [url, Buffer.from(evil)]);
      return { ...Object.fromEntries(changed), [image.url]: EVIL };
    },
  },
  {
    what: 'no signature around the text',
    kinds: ['clear'],
    code: 'SIGNATURE_BAD',
    forge: ({ sums, text }) => ({ [sums]: Buffer.from(signedText(text)) }),
  },
  {
    what: 'no signature',
    kinds: ['detached', 'image'],
    code: 'SOURCE_UNAVAILABLE',
    forge: ({ signature }) => ({ [signature]: undefined }),
  },
  {
    what: 'the vendor’s signature of something else',
    kinds: ANY,
    code: 'SIGNATURE_BAD',
    forge: async (signed, vendor) => {
      if (signed.kind !== 'clear') return { [signed.signature]: await vendor.detach(EVIL) };
      const other = (await vendor.clear('something else\n')).toString();
      const [body = ''] = signed.text.split(BEGIN_SIGNATURE);
      return { [signed.sums]: Buffer.from(`${body}${BEGIN_SIGNATURE}${other.split(BEGIN_SIGNATURE)[1]}`) };
    },
  },
  {
    what: 'no signature, but a page that says so',
    kinds: ['detached', 'image'],
    code: 'SOURCE_UNAVAILABLE',
    forge: ({ signature }) => ({ [signature]: Buffer.from('<!DOCTYPE html><title>404</title>') }),
  },
  {
    what: 'lines before and after what is signed',
    kinds: ['clear'],
    code: 'SOURCE_UNAVAILABLE',
    forge: async ({ sums, image }, vendor) => {
      const line = bsdLine(basename(image.url), image.disk);
      const signed = await vendor.clear(bsdLine('another.qcow2', EVIL));
      return { [sums]: Buffer.concat([Buffer.from(line), signed, Buffer.from(line)]) };
    },
  },
  {
    what: 'a second text that somebody else signed',
    kinds: ['clear'],
    code: 'SIGNATURE_BAD',
    forge: async ({ sums, image }, vendor, stranger) => {
      const forged = await stranger.clear(bsdLine(basename(image.url), image.disk));
      return { [sums]: Buffer.concat([forged, await vendor.clear(bsdLine('another.qcow2', EVIL))]) };
    },
  },
];

/** What a vendor would have written if it published that disk. */
function asEvil(text: string, disk: Buffer): string {
  return text.replaceAll(sha256(disk), sha256(EVIL)).replaceAll(sha512(disk), sha512(EVIL));
}

const BEGIN_SIGNATURE = '-----BEGIN PGP SIGNATURE-----';

export function signedPart({ images, files }: Fixture, { signature, sums = '' }: CloudDefinition): Signed {
  const { amd64: image } = images;
  if (!image || signature.kind === 'none') throw new Error('not signed');
  const names = { file: basename(image.url) };
  const beside = (name: string) => new URL(fill(name, names), image.url).href;
  const clear = Object.keys(files).find((url) => isClearSigned(files[url]) && files[url]?.includes(names.file));
  const url = signature.kind === 'clear' ? (clear ?? '') : beside(sums);
  const text = files[url]?.toString() ?? '';
  return {
    kind: signature.kind,
    image,
    sums: url,
    text,
    files,
    signature: 'file' in signature ? beside(signature.file) : url,
  };
}

function isClearSigned(content: Buffer | undefined): boolean {
  return content?.subarray(0, 34).toString() === '-----BEGIN PGP SIGNED MESSAGE-----';
}

function sign({ kind, image, text }: Signed, by: Signer): Promise<Buffer> {
  if (kind === 'clear') return by.clear(signedText(text));
  return by.detach(kind === 'image' ? image.disk : Buffer.from(text));
}

/** What stands within a clear-signed text. */
function signedText(text: string): string {
  const [head = ''] = text.split(BEGIN_SIGNATURE);
  return head.slice(head.indexOf('\n\n') + 2);
}
