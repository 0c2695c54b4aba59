import { digestBytes, type Exec } from '@virtainers/core';
import type { Deb } from './debs.ts';

const AT_ONCE = 8;

/**
 * A `Packages` index over files called `<sha256>.deb` (wiki.debian.org/DebianRepository/Format). `bare` names packages
 * without what they depend on: whoever asks for them names them all.
 */
export async function repositoryIndex(exec: Exec, debs: readonly Deb[], bare: boolean): Promise<string> {
  const stanzas = await controlFields(exec, debs, bare ? ['Package', 'Version', 'Architecture', 'Description'] : []);
  return stanzas
    .map((stanza, index) => {
      const deb = debs[index] as Deb;
      return `${stanza.trimEnd()}\nFilename: ./${deb.sha256}.deb\nSize: ${deb.size}\nSHA256: ${deb.sha256}\n`;
    })
    .join('\n');
}

/** The `Release` beside the index: mmdebstrap takes required packages only from an archive of the suite's name. */
export function repositoryRelease(suite: string, index: string): string {
  const sha256 = digestBytes(index).slice('sha256:'.length);
  return `Suite: ${suite}\nCodename: ${suite}\nSHA256:\n ${sha256} ${Buffer.byteLength(index)} Packages\n`;
}

/** What each package says of itself (deb-control(5)): all of it, or the named fields. In the order of `debs`. */
export async function controlFields(exec: Exec, debs: readonly Deb[], fields: readonly string[]): Promise<string[]> {
  const stanzas: string[] = [];
  for (let start = 0; start < debs.length; start += AT_ONCE) {
    const some = debs.slice(start, start + AT_ONCE);
    const results = await Promise.all(some.map((deb) => exec('dpkg-deb', ['--field', deb.file, ...fields])));
    stanzas.push(...results.map((result) => result.stdout));
  }
  return stanzas;
}
