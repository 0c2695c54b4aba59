import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repository } from './folders.ts';

/** The `sh` blocks of a page, in order: what a reader would type. Blocks of any other kind are for looking at. */
export async function commandsOf(page: string): Promise<string> {
  const text = await readFile(join(repository, page), 'utf8');
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block).join('\n');
}
