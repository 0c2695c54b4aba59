import { parseDocument } from 'yaml';
import { z } from 'zod';
import { pathProblem } from '../oci/tar.ts';

/** A file for the guest: its content, or where it lies on this machine. */
export interface FileWish {
  /** Absolute, in the guest. */
  readonly path: string;
  readonly content?: string | undefined;
  readonly source?: string | undefined;
  /** Permission bits; undefined: 0644, or 0755 for a source that may be executed. */
  readonly mode?: number | undefined;
  /** `name`, `name:group` or numbers, as chown(1) takes them. */
  readonly owner: string;
}

/** What a file given with --customize says. */
export type WishFile =
  | { readonly kind: 'cloud-config'; readonly text: string }
  | {
      readonly kind: 'wish';
      readonly packages: readonly string[];
      readonly files: readonly FileWish[];
      /** Paths on this machine, relative to the file. */
      readonly run: readonly string[];
      /** Lines of a shell script. */
      readonly firstBoot: readonly string[];
    };

/** As package managers call them, with a version or a group: `nginx`, `nginx=1.26.3-3`, `@development-tools`. */
export const packageName = z.string().regex(/^[@\w][\w.+:=~@^-]*$/, { error: 'not the name of a package' });

/** Spaces at its end would be lost on the way. */
export const guestPath = z.string().superRefine((path, context) => {
  const problem = path.startsWith('/') ? pathProblem(path.slice(1)) : 'it is not absolute';
  const ends = path === path.trimEnd() ? problem : 'it ends with a space';
  if (ends) context.addIssue({ code: 'custom', message: `${JSON.stringify(path)} is no path of a file: ${ends}` });
});

const mode = z
  .string()
  .regex(/^(0o?)?[0-7]{3,4}$/, { error: 'not permission bits such as 0644' })
  .transform((text) => Number.parseInt(text.replace(/^0o?/, '0'), 8));

const owner = z
  .string()
  .regex(/^[a-z0-9_][\w.-]*(:[a-z0-9_][\w.-]*)?$/i, { error: 'not an owner such as www-data or root:adm' })
  .default('root:root');

export const command = z.string().refine((text) => text.trim() !== '' && !text.includes('\0'), { error: 'no command' });

const localPath = z.string().min(1);

const fileSchema = z
  .strictObject({
    path: guestPath,
    content: z.string().optional(),
    source: localPath.optional(),
    mode: mode.optional(),
    owner,
  })
  .refine(({ content, source }) => (content === undefined) !== (source === undefined), {
    error: 'either content or source, one of them',
  });

const wishSchema = z.strictObject({
  packages: z.array(packageName).default([]),
  files: z.array(fileSchema).default([]),
  run: z.array(localPath).default([]),
  firstBoot: z.array(command).default([]),
});

/** `path` is named in the problems. Every scalar is text (YAML 1.2, "failsafe"): a mode stays as it was written. */
export function parseWishFile(path: string, text: string): { file?: WishFile; problems: string[] } {
  const cloudConfig = /^#cloud-config\s*$/.test(text.split('\n', 1)[0] ?? '');
  if (/^#!/.test(text)) return { problems: [`${path}: a script, which --run takes`] };
  const document = parseDocument(text, cloudConfig ? {} : { schema: 'failsafe' });
  if (document.errors.length > 0) {
    return { problems: document.errors.map((error) => `${path}: ${error.message.split('\n')[0]}`) };
  }
  const value: unknown = document.toJS();
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problems: [`${path}: not a mapping`] };
  if (cloudConfig) return { file: { kind: 'cloud-config', text }, problems: [] };
  const parsed = wishSchema.safeParse(value);
  if (parsed.success) return { file: { kind: 'wish', ...parsed.data }, problems: [] };
  const place = (issue: { path: PropertyKey[] }) => (issue.path.length > 0 ? ` ${z.core.toDotPath(issue.path)}:` : '');
  return { problems: parsed.error.issues.map((issue) => `${path}:${place(issue)} ${issue.message}`) };
}
