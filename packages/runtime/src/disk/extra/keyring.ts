import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Where Ceph's programs look for the key of a user, beside their ceph.conf (Ceph, "Configuring Ceph: keyring"). */
export async function findKeyring(conf: string, user: string): Promise<string | undefined> {
  const names = [`ceph.client.${user}.keyring`, 'ceph.keyring', 'keyring'];
  for (const path of names.map((name) => join(dirname(conf), name))) {
    const there = await access(path).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
    );
    if (there) return path;
  }
  return undefined;
}

/** The key of `client.USER`, base64 as it stands there; undefined: there is none in it. Throws what reading throws. */
export async function readKey(path: string, user: string): Promise<string | undefined> {
  return parseKeyring(await readFile(path, 'utf8'), user);
}

/** An ini file of sections `[client.USER]` with a line `key = BASE64`. */
export function parseKeyring(text: string, user: string): string | undefined {
  let section: string | undefined;
  for (const line of text.split('\n')) {
    const [, header] = /^\s*\[([^\]]+)\]\s*$/.exec(line) ?? [];
    if (header !== undefined) section = header;
    const [, key] = /^\s*key\s*=\s*"?([A-Za-z0-9+/]+=*)"?\s*$/.exec(line) ?? [];
    if (key !== undefined && section === `client.${user}`) return key;
  }
  return undefined;
}
