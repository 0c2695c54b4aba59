import { VirtainersError } from '@virtainers/core';
import type { EngineClient } from './engine/client.ts';
import type { ImageFacts } from './engine/facts.ts';

/** What `run` needs to know of the catalogue. */
export interface CatalogueEntry {
  readonly name: string;
  readonly aliases: readonly string[];
}

/** An image that is there, and the engine that has it. */
export interface FoundImage {
  readonly client: EngineClient;
  readonly reference: string;
  readonly facts: ImageFacts;
}

const MARK = 'io.virtainers.name';

/**
 * Finds what NAME|REF means: a catalogue name is `virtainers/NAME` in a local store; anything else is a reference as the
 * engine reads it. Engines are asked in order. Undefined: none of them has it.
 */
export async function findImage(
  clients: readonly EngineClient[],
  word: string,
  catalogue: readonly CatalogueEntry[],
): Promise<FoundImage | undefined> {
  for (const client of clients) {
    for (const reference of candidates(client, word, catalogue)) {
      const facts = await client.image(reference);
      if (facts?.labels[MARK] !== undefined) return { client, reference, facts };
    }
  }
  return undefined;
}

/** References to look for in one engine, the likeliest first. */
export function candidates(
  client: Pick<EngineClient, 'dialect'>,
  word: string,
  catalogue: readonly CatalogueEntry[],
): string[] {
  if (isReference(word)) return [word];
  const name = catalogueName(word, catalogue) ?? word;
  return [...new Set([...client.dialect.localReferences(name), word])];
}

/** With a slash in it, a word says where it comes from, and may be pulled; without one it never is. */
export function isReference(word: string): boolean {
  return word.includes('/');
}

export function catalogueName(word: string, catalogue: readonly CatalogueEntry[]): string | undefined {
  return catalogue.find(({ name, aliases }) => name === word || aliases.includes(word))?.name;
}

/** Why a word without a slash names nothing here, and what would. */
export function imageMissing(
  client: Pick<EngineClient, 'dialect'>,
  word: string,
  catalogue: readonly CatalogueEntry[],
): VirtainersError {
  const engine = client.dialect.name;
  const name = catalogueName(word, catalogue);
  if (name === undefined) {
    const hint = '`virtainers catalog` lists what can be baked; a reference to a registry has a slash in it';
    return new VirtainersError('IMAGE_UNKNOWN', `no image is called ${word}, neither here nor in the catalogue`, {
      hint,
    });
  }
  const message = `${engine} has no image virtainers/${name}`;
  return new VirtainersError('IMAGE_UNKNOWN', message, { hint: `make it: virtainers bake ${name} --load ${engine}` });
}

/** The error for an image that is there but holds no virtual machine. */
export function notVirtainer(reference: string): VirtainersError {
  return new VirtainersError('IMAGE_UNKNOWN', `${reference} is an ordinary container image, not a virtainer`, {
    hint: 'run it with your engine; `virtainers catalog` lists what virtainers can bake',
  });
}
