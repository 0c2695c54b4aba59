import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { loadDefinitions } from '../../packages/builder/src/definition/load.ts';
import type { CloudDefinition } from '../../packages/builder/src/definition/schema.ts';
import { exec, requireTool } from '../helpers/process.ts';
import { tempFolder } from '../helpers/temp-folder.ts';

const IMAGES = join(import.meta.dirname, '../../images');
const KEYS = join(IMAGES, 'keys');

let files: string[];
let pinned: Map<string, string[]>;

beforeAll(async () => {
  await requireTool('gpg');
  files = (await readdir(KEYS)).map((file) => basename(file, '.asc')).sort();
  const cloud = (await loadDefinitions(IMAGES)).filter((one): one is CloudDefinition => one.kind === 'cloud');
  pinned = new Map();
  for (const { signature } of cloud) {
    if (signature.kind === 'none' || signature.key === undefined) continue;
    pinned.set(signature.key, [...(pinned.get(signature.key) ?? []), ...signature.fingerprints]);
  }
});

test('every key that a definition names comes along, and no other', () => {
  expect(files).toEqual([...pinned.keys()].sort());
});

test('a key is the one whose fingerprint is pinned, and holds no secret', async () => {
  for (const file of files) {
    const { primary, kinds } = await showKeys(join(KEYS, `${file}.asc`));
    expect({ file, primary }).toEqual({ file, primary: [...new Set(pinned.get(file))].sort() });
    expect(kinds).not.toContain('sec');
  }
});

/** Fingerprints of primary keys, and the kinds of record (doc/DETAILS of GnuPG). */
async function showKeys(path: string): Promise<{ primary: string[]; kinds: string[] }> {
  const home = await tempFolder('gnupg');
  const { stdout } = await exec('gpg', ['--homedir', home, '--batch', '--with-colons', '--show-keys', path]);
  const records = stdout.split('\n').map((line) => line.split(':'));
  const primary = records.flatMap((_, index) => (records[index - 1]?.[0] === 'pub' ? (records[index]?.[9] ?? '') : []));
  return { primary: primary.sort(), kinds: records.map(([kind = '']) => kind) };
}
