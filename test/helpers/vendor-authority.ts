import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec, requireTool } from './process.ts';

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/**
 * A certificate for `hosts` by an authority that `trusted` (a file) holds; `foreign`: by another one than that. Made anew
 * for every test: nothing secret is kept.
 */
export async function makeAuthority(
  folder: string,
  hosts: readonly string[],
  kind: 'good' | 'expired' | 'foreign',
): Promise<{ key: Buffer; certificate: Buffer; trusted: string }> {
  await requireTool('openssl');
  const path = (name: string) => join(folder, name);
  for (const name of kind === 'foreign' ? ['ca', 'other'] : ['ca']) {
    const files = ['-keyout', path(`${name}.key`), '-out', path(`${name}.pem`)];
    await exec('openssl', ['req', '-x509', ...KEY, ...files, '-days', '2', '-subj', `/CN=authority ${name}`]);
  }
  const request = ['-keyout', path('key'), '-out', path('csr'), '-subj', '/CN=vendor'];
  await exec('openssl', ['req', '-new', ...KEY, ...request]);
  const names = [...hosts.map((host) => `DNS:${host}`), 'DNS:localhost', 'IP:127.0.0.1'];
  await writeFile(path('names'), `subjectAltName=${names.join(',')}\n`);
  const signer = ['-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-CAcreateserial'];
  const days = kind === 'expired' ? '-1' : '2';
  await exec('openssl', [
    ...['x509', '-req', '-in', path('csr'), '-out', path('pem'), '-days', days, '-extfile', path('names')],
    ...signer,
  ]);
  return {
    key: await readFile(path('key')),
    certificate: await readFile(path('pem')),
    trusted: path(kind === 'foreign' ? 'other.pem' : 'ca.pem'),
  };
}
