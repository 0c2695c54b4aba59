import { z } from 'zod';
import { type Finder, newest, pattern } from './find.ts';

const schema = z.strictObject({ kind: z.literal('listing'), match: pattern });

/** The listing of a folder, as web servers write it: the newest name that matches. */
export const listing: Finder<typeof schema> = {
  schema,
  index: () => '',
  find: (text, { match }) => newest(namesIn(text), match),
};

/** Names in this folder: whatever leads out of it, or is a query (Apache's columns to sort by), is none. */
function* namesIn(html: string): Generator<string> {
  for (const [, quoted, single] of html.matchAll(/<a\s[^>]*?href=(?:"([^"]*)"|'([^']*)')/gi)) {
    const name = decode((quoted ?? single ?? '').replace(/^\.\//, ''));
    if (name !== undefined && /^[^/?#:]+$/.test(name)) yield name;
  }
}

function decode(href: string): string | undefined {
  try {
    return decodeURIComponent(href);
  } catch {
    return undefined;
  }
}
