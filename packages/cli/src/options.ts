import { resolve } from 'node:path';
import { ARCHITECTURES, parseSize, VirtainersError } from '@virtainers/core';
import { ENGINE_NAMES } from '@virtainers/host';
import { z } from 'zod';

/** Reads a command's options. Throws ARGUMENTS_BAD naming every flag that is wrong. */
export function parseOptions<T>(schema: z.ZodType<T>, options: unknown): T {
  const parsed = schema.safeParse(options);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${flagName(issue.path[0])}: ${issue.message}`);
  throw new VirtainersError('ARGUMENTS_BAD', problems.join('\n'));
}

/** `diskSize` -> `--disk-size`. */
export function flagName(key: PropertyKey | undefined): string {
  return `--${String(key).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** A file or folder, as seen from where the command was typed. */
export const path = z.string().transform((text) => resolve(text));

/** A size in bytes; a bare number counts `unit`s. */
export function size(unit: 'B' | 'M' | 'G') {
  return z.string().transform((text, context) => {
    const bytes = parseSize(text, unit);
    if (bytes !== undefined && bytes > 0) return bytes;
    context.addIssue({ code: 'custom', message: `${JSON.stringify(text)} is not a size such as 512M or 20G` });
    return z.NEVER;
  });
}

const HOURS: Readonly<Record<string, number>> = { h: 1, d: 24, w: 7 * 24 };

/** A time span in milliseconds. */
export const age = z.string().transform((text, context) => {
  const [, count, unit = ''] = /^(\d{1,5})([hdw])$/.exec(text) ?? [];
  if (count !== undefined) return Number(count) * (HOURS[unit] ?? 0) * 3_600_000;
  context.addIssue({ code: 'custom', message: `${JSON.stringify(text)} is not a time such as 12h, 30d or 8w` });
  return z.NEVER;
});

export const flag = z.boolean().default(false);

/** `KEY=VALUE` words as a record; of one key the last word counts, as for Docker. */
export const pairs = z.array(z.string()).transform((words, context): Record<string, string> => {
  const bad = words.filter((word) => !/^[^=]+=/.test(word));
  for (const word of bad) context.addIssue({ code: 'custom', message: `${JSON.stringify(word)} is not KEY=VALUE` });
  return Object.fromEntries(words.map((word) => [word.replace(/=.*$/s, ''), word.slice(word.indexOf('=') + 1)]));
});

/** What a container is made for, in the words of container engines: `linux/amd64`. */
export const platform = z
  .string()
  .transform((text) => text.replace(/^linux\//, ''))
  .pipe(z.enum(ARCHITECTURES, 'linux/amd64 or linux/arm64'));

export const engine = z.enum(ENGINE_NAMES, { error: `one of ${ENGINE_NAMES.join(', ')}` });

/** Hexadecimal, as the tools sha256sum and sha512sum print it; a prefix such as `sha256:` may stand before it. */
export function checksum(kind: 'sha256' | 'sha512') {
  const length = kind === 'sha256' ? 64 : 128;
  return z
    .string()
    .transform((text) => text.toLowerCase().replace(new RegExp(`^${kind}:`), ''))
    .refine((text) => new RegExp(`^[0-9a-f]{${length}}$`).test(text), `${length} hexadecimal digits are a ${kind}`);
}
