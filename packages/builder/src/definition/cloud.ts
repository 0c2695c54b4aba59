import { dirname, join } from 'node:path';
import type { Architecture } from '@virtainers/core';
import { z } from 'zod';
import { fill } from '../source/find/find.ts';
import { findSchema } from '../source/find/table.ts';
import { type Recipe, type Signature, type Trust, trustOf } from '../source/vendor.ts';

const fingerprint = z.string().regex(/^[0-9A-F]{40}$/, 'a fingerprint of 40 upper-case hex digits');
const signed = {
  key: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]*$/)
    .describe('A file of keys/ without .asc; where there is none the signature cannot be checked.')
    .optional(),
  fingerprints: z.array(fingerprint).min(1).describe('Of the primary keys that sign.'),
};

const architecture = z.strictObject({
  words: z
    .record(z.string().regex(/^[a-z]\w*$/), z.string())
    .describe('What stands for {name} in places, sums and signature: the vendor’s word for the architecture, mostly.')
    .default({}),
  pin: z
    .strictObject({
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    })
    .or(z.strictObject({ sha512: z.string().regex(/^[0-9a-f]{128}$/) }))
    .describe('The sum of a file that does not change any more.')
    .optional(),
});

/** A vendor's cloud image: where it lies, and who vouches for it. */
export const cloudFields = {
  architectures: z.strictObject({ amd64: architecture.optional(), arm64: architecture.optional() }),
  places: z
    .array(z.strictObject({ url: z.url({ protocol: /^https?$/ }).endsWith('/'), find: findSchema }))
    .min(1)
    .describe('Servers in the order in which they are tried. {words} are an architecture’s.'),
  sums: z
    .string()
    .min(1)
    .describe('The file of sums, relative to the image: {file} is the image’s name, other {words} the groups of match.')
    .optional(),
  signature: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('none') }),
      z.strictObject({ kind: z.literal('clear'), ...signed }),
      z.strictObject({ kind: z.literal('detached'), file: z.string().min(1), ...signed }),
      z.strictObject({ kind: z.literal('image'), file: z.string().min(1), ...signed }),
    ])
    .describe(
      'What is signed: the sums within themselves (clear), or beside them (detached), the image itself, or none.',
    ),
  resolved: z
    .literal('never')
    .or(z.iso.date())
    .describe('When it was last seen to work against the vendor’s own server.'),
};

/** What a cloud image's definition says, as far as its file is concerned. */
export interface CloudFields {
  readonly path: string;
  readonly architectures: { readonly [A in Architecture]?: z.infer<typeof architecture> | undefined };
  readonly places: Recipe['places'];
  readonly sums?: string | undefined;
  readonly signature: z.infer<typeof cloudFields.signature>;
}

/**
 * How the file of one architecture is found and checked. Undefined: the vendor has none. `ownKey`, a file, stands in for the
 * key of a vendor whose key does not come along; its fingerprint must be the definition's.
 */
export function recipeFor(definition: CloudFields, arch: Architecture, ownKey?: string): Recipe | undefined {
  const own = definition.architectures[arch];
  if (!own) return undefined;
  const { places, sums } = definition;
  const filled = fillAll({ places, sums }, { ...own.words });
  return { ...filled, signature: signatureOf(definition, own.words, ownKey), pin: own.pin };
}

/** Who vouches for what the definition names. */
export function trustIn(definition: CloudFields, arch: Architecture): Trust {
  return trustOf({ signature: signatureOf(definition, {}), pin: definition.architectures[arch]?.pin });
}

function signatureOf(
  { signature, path }: CloudFields,
  words: Readonly<Record<string, string>>,
  ownKey?: string,
): Signature {
  if (signature.kind === 'none') return signature;
  const { key: name, fingerprints } = signature;
  const file = name === undefined ? ownKey : join(dirname(path), 'keys', `${name}.asc`);
  const key = file === undefined ? undefined : { path: file, fingerprints };
  if (signature.kind === 'clear') return { kind: 'clear', key };
  return { kind: signature.kind, file: fill(signature.file, words), key };
}

function fillAll<T>(value: T, words: Readonly<Record<string, string>>): T {
  if (typeof value === 'string') return fill(value, words) as T;
  if (Array.isArray(value)) return value.map((item) => fillAll(item, words)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fillAll(item, words)])) as T;
}
