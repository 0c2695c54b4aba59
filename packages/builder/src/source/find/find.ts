import { z } from 'zod';
import type { Sums } from '../sums.ts';

/** A file that an index names. */
export interface Found {
  /** Relative to the place, or a URL of its own. */
  readonly path: string;
  /** As far as the index says them. */
  readonly sums: Sums;
  /** Bytes, where the index says it. */
  readonly size?: number | undefined;
  /** What the named groups of `match` held: the words that other files of the release are called by. */
  readonly words: Readonly<Record<string, string>>;
}

/** One way to find the newest file of a release. Pure: the index is fetched elsewhere. */
export interface Finder<Schema extends z.ZodObject> {
  readonly schema: Schema;
  /** What must be read first, relative to the place. Undefined: nothing. */
  index(how: z.infer<Schema>): string | undefined;
  /** Undefined where the index names no such file; throws where it is no such index. `text` is empty without one. */
  find(text: string, how: z.infer<Schema>): Found | undefined;
}

/** A regular expression of a file's whole name. */
export const pattern = z.string().min(1).refine(isPattern, 'a regular expression');

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}

/** By number where there are numbers: 9.10 comes after 9.9, 20261001 after 20260930. */
const order = new Intl.Collator('en', { numeric: true });

/** The greatest of `names` that `match`, a regular expression, describes as a whole. */
export function newest(names: Iterable<string>, match: string): Found | undefined {
  const whole = new RegExp(`^(?:${match})$`);
  let found: RegExpExecArray | undefined;
  for (const name of names) {
    const here = whole.exec(name);
    if (here && (found === undefined || order.compare(here[0], found[0]) > 0)) found = here;
  }
  return found && { path: found[0], sums: {}, words: { ...found.groups } };
}

/** The greatest version of a JSON index's keys. */
export function newestKey(keys: readonly string[]): string | undefined {
  return [...keys].sort(order.compare).at(-1);
}

/** `{name}` replaced by what `words` say; a regular expression's `{8}` is no name. */
export function fill(text: string, words: Readonly<Record<string, string>>): string {
  return text.replace(/\{([a-z]\w*)\}/g, (whole, name: string) => words[name] ?? whole);
}
