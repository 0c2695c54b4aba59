import { basename } from 'node:path';
import { z } from 'zod';
import { type Finder, newest, pattern } from './find.ts';

const schema = z.strictObject({
  kind: z.literal('fedora-releases'),
  index: z.string().min(1),
  version: z.string().min(1),
  arch: z.string().min(1),
  match: pattern,
});

const index = z.array(
  z.object({
    version: z.string(),
    arch: z.string(),
    link: z.url(),
    variant: z.string().optional(),
    subvariant: z.string().optional(),
    sha256: z.string().optional(),
    size: z.string().optional(),
  }),
);

/** Fedora's releases.json: one entry for each file of each release; versions can read `44 Beta`. */
export const fedoraReleases: Finder<typeof schema> = {
  schema,
  index: (how) => how.index,
  find: (text, { version, arch, match }) => {
    const entries = index.parse(JSON.parse(text)).filter((entry) => entry.version === version && entry.arch === arch);
    const found = newest(
      entries.map(({ link }) => basename(new URL(link).pathname)),
      match,
    );
    const entry = entries.find(({ link }) => found && basename(new URL(link).pathname) === found.path);
    if (!found || !entry) return undefined;
    const sha256 = /^[0-9a-f]{64}$/.test(entry.sha256 ?? '') ? entry.sha256 : undefined;
    const size = /^\d{1,15}$/.test(entry.size ?? '') ? Number(entry.size) : undefined;
    return { path: entry.link, sums: { sha256 }, size, words: found.words };
  },
};
