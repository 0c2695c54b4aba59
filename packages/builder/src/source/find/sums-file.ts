import { z } from 'zod';
import { parseSumsFile } from '../sums-file.ts';
import { type Finder, newest, pattern } from './find.ts';

const schema = z.strictObject({
  kind: z.literal('sums'),
  match: pattern,
  /** The file of sums, which is the index. */
  file: z.string().min(1),
});

/** The file of sums is the index: the newest name in it that matches. */
export const sumsFile: Finder<typeof schema> = {
  schema,
  index: ({ file }) => file,
  find: (text, { match, file }) => {
    const found = newest(parseSumsFile(text).keys(), match);
    return found && { ...found, path: new URL(found.path, new URL(file, FOLDER)).href.slice(FOLDER.length) };
  },
};

/** Names in a file of sums are relative to it. */
const FOLDER = 'http://place/';
