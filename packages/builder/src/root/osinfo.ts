import type { Spawn } from '@virtainers/core';
import { commandFailed } from '@virtainers/core';
import { extract } from 'tar-stream';

/** One operating system of osinfo-db (gitlab.com/libosinfo/osinfo-db), as /etc/virtainers/osinfo.json has it. */
export interface OsinfoEntry {
  /** What libvirt's metadata names it by: `http://debian.org/debian/13`. */
  readonly id: string;
  readonly name?: string | undefined;
  readonly family?: string | undefined;
  readonly distro?: string | undefined;
  readonly version?: string | undefined;
}

/** Reads the package osinfo-db: by short id (`debian13`), sorted; an entry with several short ids stands there for each. */
export async function osinfoTable(spawn: Spawn, deb: string): Promise<Record<string, OsinfoEntry>> {
  const dpkg = spawn('dpkg-deb', ['--fsys-tarfile', deb], { stderr: 'inherit' });
  const table: Record<string, OsinfoEntry> = {};
  const reader = extract();
  dpkg.stdout?.pipe(reader);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    if (/\/osinfo\/os\/.*\.xml$/.test(entry.header.name))
      Object.assign(table, parseOsinfo(Buffer.concat(chunks).toString()));
  }
  const { exitCode } = await dpkg.exited;
  if (exitCode !== 0) throw commandFailed(['dpkg-deb', '--fsys-tarfile', deb], `exit code ${exitCode}`, '');
  return Object.fromEntries(Object.entries(table).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** One file: `<libosinfo><os id="…">` with what stands directly in it; deeper elements (media, images) reuse its names. */
export function parseOsinfo(xml: string): Record<string, OsinfoEntry> {
  const table: Record<string, OsinfoEntry> = {};
  const text = xml.replace(/<!--[\s\S]*?-->|<\?[\s\S]*?\?>/g, '');
  for (const [, id = '', body = ''] of text.matchAll(
    /<os\s+id="([^"]+)"[^>]*>([\s\S]*?)<\/os>\s*(?=<os\s|<\/libosinfo>)/g,
  )) {
    const fields = directChildren(body);
    const first = (name: string) => fields.find((field) => field.name === name)?.text;
    const entry = {
      id,
      name: first('name'),
      family: first('family'),
      distro: first('distro'),
      version: first('version'),
    };
    for (const field of fields) if (field.name === 'short-id') table[field.text] = entry;
  }
  return table;
}

function directChildren(body: string): { name: string; text: string }[] {
  const children: { name: string; text: string }[] = [];
  let depth = 0;
  for (const [, closing, name = '', attributes = '', text = ''] of body.matchAll(/<(\/?)([\w-]+)([^>]*)>([^<]*)/g)) {
    if (closing) depth -= 1;
    else {
      if (depth === 0 && !attributes.includes('xml:lang')) children.push({ name, text: unescapeXml(text.trim()) });
      if (!attributes.endsWith('/')) depth += 1;
    }
  }
  return children;
}

function unescapeXml(text: string): string {
  const names: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => names[name] ?? '');
}
