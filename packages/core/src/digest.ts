import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** `sha256:` and 64 lower-case hex digits, as in OCI (image-spec, descriptor.md, "Digests"). */
export type Digest = `sha256:${string}`;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && DIGEST.test(text);
}

/** The digest of what `hash` (sha256) has read. */
export function digestOf(hash: Hash): Digest {
  return `sha256:${hash.digest('hex')}`;
}

export function digestBytes(bytes: string | Uint8Array): Digest {
  return digestOf(createHash('sha256').update(bytes));
}

/** Reads the file once, in pieces. */
export async function digestFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return digestOf(hash);
}

/** `sha256:0123456789ab…` -> `0123456789ab`, for people. */
export function shortDigest(digest: Digest): string {
  return digest.slice(7, 19);
}
