import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from '@virtainers/core';
import { repository } from './folders.ts';

/** What a page has a reader do. */
export interface Page {
  /** Shell: its `sh` blocks in order; those marked `sh lan` run on another machine of the LAN. */
  readonly script: string;
  /** Blocks that name a file (`yaml pod.yaml`): what a reader saves before. */
  readonly files: readonly { readonly name: string; readonly text: string }[];
}

/** Blocks of any other kind are for looking at. `enterLan`: words before a program that is to run there. */
export async function readPage(path: string, enterLan: readonly string[] = []): Promise<Page> {
  const text = await readFile(join(repository, path), 'utf8');
  const blocks = [...text.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)];
  const there = (block: string) => [...enterLan, 'bash', '-euxo', 'pipefail', '-c', block].map(quote).join(' ');
  return {
    script: blocks
      .filter(([, kind]) => kind === 'sh')
      .map(([, , where, block = '']) => (where === 'lan' ? `${there(block)}\n` : block))
      .join('\n'),
    files: blocks.flatMap(([, kind, name, block = '']) => (kind !== 'sh' && name ? [{ name, text: block }] : [])),
  };
}

/** Paths of the pages in a folder, sorted. */
export async function pagesIn(folder: string): Promise<string[]> {
  const names = await readdir(join(repository, folder));
  return names.map((name) => `${folder}/${name}`).sort();
}
