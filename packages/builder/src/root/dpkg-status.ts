import type { Exec } from '@virtainers/core';
import type { Deb } from './debs.ts';
import { controlFields } from './repository.ts';

const FIELDS = ['Package', 'Source', 'Version', 'Architecture', 'Maintainer', 'Section', 'Priority', 'Description'];

/** One stanza a package as dpkg's status has them (dpkg-query(1)), so that scanners know what is in an image. */
export async function statusStanzas(exec: Exec, debs: readonly Deb[]): Promise<string[]> {
  const stanzas = await controlFields(exec, debs, FIELDS);
  return stanzas.map(
    (stanza) => `${stanza.trimEnd().replace(/^(Package: .*)$/m, '$1\nStatus: install ok installed')}\n`,
  );
}

/** Name, source and version of each; `Source: qemu (1:10.0)` where its version differs. */
export function parseStatus(text: string): { name: string; source: string; version: string }[] {
  return text.split(/\n\n+/).flatMap((stanza) => {
    const field = (name: string) => new RegExp(`^${name}: (\\S+)`, 'm').exec(stanza)?.[1];
    const [name, version] = [field('Package'), field('Version')];
    return name && version ? [{ name, version, source: field('Source') ?? name }] : [];
  });
}
