import { ARCHITECTURES } from '@virtainers/core';
import { fill } from '../source/find/find.ts';
import type { CloudFields } from './cloud.ts';

/** What a definition that fits its schema still says wrongly, as lines: words that nobody fills in, sums that nobody gives. */
export function cloudProblems(definition: Omit<CloudFields, 'path'>): string[] {
  const { architectures, signature, sums } = definition;
  const named = ARCHITECTURES.filter((arch) => architectures[arch] !== undefined);
  const problems = named.flatMap((arch) => unfilled(definition, arch));
  if (named.length === 0) problems.push('architectures: none; amd64 or arm64 is needed');
  if (sums === undefined && (signature.kind === 'clear' || signature.kind === 'detached')) {
    problems.push(`sums: a ${signature.kind} signature is one of the file of sums, which is not named`);
  }
  return [...new Set(problems)];
}

/** `{words}` that neither the architecture nor the file that will be found brings. */
function unfilled(
  { architectures, places, sums = '', signature }: Omit<CloudFields, 'path'>,
  arch: (typeof ARCHITECTURES)[number],
): string[] {
  const words = architectures[arch]?.words ?? {};
  const known = (text: string, more: readonly string[] = []) =>
    left(text, { ...words, ...Object.fromEntries(more.map((word) => [word, ''])) });
  const beside = `${sums} ${'file' in signature ? signature.file : ''}`;
  return places.flatMap(({ url, find }, index) => [
    ...known(`${url} ${Object.values(find).join(' ')}`).map(
      (word) => `places.${index}: {${word}} is no word of ${arch}`,
    ),
    ...known(beside, foundWords(find)).map(
      (word) => `sums or signature: {${word}} is no word of ${arch} or of places.${index}`,
    ),
  ]);
}

/** The words that a finder brings along: the file's name, and the groups of its pattern. */
function foundWords(find: CloudFields['places'][number]['find']): string[] {
  const groups = 'match' in find ? [...find.match.matchAll(/\(\?<([a-z]\w*)>/g)].map(([, name = '']) => name) : [];
  return ['file', ...groups, ...(find.kind === 'simplestreams' ? ['version'] : [])];
}

function left(text: string, words: Readonly<Record<string, string>>): string[] {
  return [...fill(text, words).matchAll(/\{([a-z]\w*)\}/g)].map(([, name = '']) => name);
}
