import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { type Digest, digestFile, VirtainersError } from '@virtainers/core';
import type { z } from 'zod';
import type { FileSegment, Segment } from '../oci/segments.ts';
import { command, type FileWish, guestPath, packageName, parseWishFile } from './wish-file.ts';

/** What a disk shall be given, in the words of the command line. */
export interface CustomizeOptions {
  /** YAML files: ours, or one `#cloud-config`. */
  readonly customize?: readonly string[] | undefined;
  readonly package?: readonly string[] | undefined;
  /** `SOURCE:PATH`: a file of this machine, and where it goes. */
  readonly file?: readonly string[] | undefined;
  /** Scripts of this machine. */
  readonly run?: readonly string[] | undefined;
  readonly firstBoot?: readonly string[] | undefined;
}

/** All that goes into a disk, found and read. */
export interface Customization {
  readonly packages: readonly string[];
  readonly files: readonly { path: string; mode: number; owner: string; content: Segment }[];
  readonly scripts: readonly { name: string; content: Segment }[];
  readonly firstBoot: readonly string[];
  readonly cloudConfig: string | undefined;
  /** The login user, where it is not the cloud image's own. */
  readonly user: string | undefined;
}

/** Undefined where nothing is asked for. CUSTOMIZE_INVALID with every problem of every option and file. */
export async function readCustomization(
  options: CustomizeOptions & { readonly user?: string | undefined },
): Promise<Customization | undefined> {
  const { customize = [], package: packages = [], file = [], run = [], firstBoot = [], user } = options;
  if ([customize, packages, file, run, firstBoot].every(({ length }) => length === 0)) return undefined;
  const problems: string[] = [];
  const read = await readWishFiles(customize, problems);
  const wishes = read.flatMap((one) => (one.kind === 'wish' ? one : []));
  check('--package', packages, packageName, problems);
  check('--first-boot', firstBoot, command, problems);
  const files = [...wishes.flatMap((wish) => wish.files), ...file.flatMap((text) => parseFileOption(text, problems))];
  const scripts = [...wishes.flatMap((wish) => wish.run), ...run.map((path) => resolve(path))];
  checkTogether(read, files, problems);
  const customization = {
    packages: [...new Set([...wishes.flatMap((wish) => wish.packages), ...packages])],
    files: await each(files, (one) => placeFile(one, problems)),
    scripts: await each(scripts, (path) => findScript(path, problems)),
    firstBoot: [...wishes.flatMap((wish) => wish.firstBoot), ...firstBoot],
    cloudConfig: read.flatMap((one) => (one.kind === 'cloud-config' ? one.text : []))[0],
    user,
  };
  if (problems.length === 0) return customization;
  throw new VirtainersError('CUSTOMIZE_INVALID', `reading what the disk is to be given:\n  ${problems.join('\n  ')}`, {
    hint: 'docs/customizing.md shows what there is',
  });
}

/** Paths in them are relative to the file that names them. */
async function readWishFiles(paths: readonly string[], problems: string[]) {
  return each(paths, async (path) => {
    const text = await readFile(path, 'utf8').catch((error: Error) => void problems.push(`${path}: ${error.message}`));
    const parsed = text === undefined ? undefined : parseWishFile(path, text);
    problems.push(...(parsed?.problems ?? []));
    if (parsed?.file?.kind !== 'wish') return parsed?.file;
    const here = (name: string) => resolve(dirname(path), name);
    const files = parsed.file.files.map((one) => ({ ...one, source: one.source && here(one.source) }));
    return { ...parsed.file, files, run: parsed.file.run.map(here) };
  });
}

function check(name: string, words: readonly string[], schema: z.ZodType<string>, problems: string[]): void {
  for (const word of words) {
    const { error } = schema.safeParse(word);
    for (const issue of error?.issues ?? []) problems.push(`${name} ${word}: ${issue.message}`);
  }
}

/** The last colon separates: names in the guest seldom have one. */
function parseFileOption(text: string, problems: string[]): FileWish[] {
  const colon = text.lastIndexOf(':');
  const [source, target] = [text.slice(0, Math.max(0, colon)), text.slice(colon + 1)];
  if (source === '' || target === '') {
    problems.push(`--file ${text}: not SOURCE:PATH, such as ./motd:/etc/motd`);
    return [];
  }
  const path = target.endsWith('/') ? target + basename(source) : target;
  check(`--file ${text}:`, [path], guestPath, problems);
  return [{ path, source: resolve(source), owner: 'root:root' }];
}

function checkTogether(read: readonly { kind: string }[], files: readonly FileWish[], problems: string[]): void {
  if (read.filter(({ kind }) => kind === 'cloud-config').length > 1) {
    problems.push('--customize: one cloud-config at most, because a second one would replace lists of the first');
  }
  const paths = files.map(({ path }) => path);
  for (const path of new Set(paths.filter((one, index) => paths.indexOf(one) !== index))) {
    problems.push(`${path}: two files go there`);
  }
}

async function placeFile({ path, content, source, mode, owner }: FileWish, problems: string[]) {
  if (source === undefined) return { path, mode: mode ?? 0o644, owner, content: Buffer.from(content ?? '') };
  const found = await findFile(source, `for ${path}`, problems);
  return found && { path, mode: mode ?? (found.executable ? 0o755 : 0o644), owner, content: found.segment };
}

async function findScript(path: string, problems: string[]) {
  const found = await findFile(path, 'to run', problems);
  return found && { name: basename(path), content: found.segment };
}

/** Other permission bits than this one are the umask's, which says nothing of a file. */
async function findFile(path: string, what: string, problems: string[]) {
  try {
    const facts = await stat(path);
    if (!facts.isFile()) throw new Error('not a file');
    const digest: Digest = await digestFile(path);
    const segment: FileSegment = { path, size: facts.size, digest };
    return { segment, executable: (facts.mode & 0o100) !== 0 };
  } catch (error) {
    problems.push(`${path}, ${what}: ${error instanceof Error ? error.message : error}`);
    return undefined;
  }
}

async function each<T, R>(items: readonly T[], make: (item: T) => Promise<R | undefined>): Promise<R[]> {
  const made = await Promise.all(items.map(make));
  return made.filter((one): one is Awaited<R> & R => one !== undefined);
}
