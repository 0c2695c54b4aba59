import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec } from '../process.ts';

/** Somebody with a key, made for the test by GnuPG. */
export interface Signer {
  readonly fingerprint: string;
  /** ASCII-armored. */
  readonly publicKey: string;
  /** A text with its signature around it (RFC 9580, 7). */
  clear(text: string): Promise<Buffer>;
  detach(bytes: Buffer, armored?: boolean): Promise<Buffer>;
  /** Ends its agent. */
  end(): Promise<void>;
}

/** `folder` becomes GnuPG's home: agents want a short path for their socket. Needs gpg and gpg-agent. */
export async function makeSigner(folder: string, name: string): Promise<Signer> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const gpg = async (...args: string[]) => exec('gpg', ['--homedir', folder, '--batch', '--quiet', '--yes', ...args]);
  const user = `${name} <${name}@example.org>`;
  await gpg('--passphrase', '', '--quick-generate-key', user, 'ed25519', 'sign', 'never');
  const { stdout: publicKey } = await gpg('--armor', '--export');
  const { stdout: listed } = await gpg('--with-colons', '--list-keys');
  const [input, output] = [join(folder, 'input'), join(folder, 'output')];
  const sign = async (bytes: Buffer | string, ...how: string[]) => {
    await writeFile(input, bytes);
    await gpg('--output', output, ...how, input);
    return readFile(output);
  };
  return {
    fingerprint: /^fpr:{9}([0-9A-F]{40}):/m.exec(listed)?.[1] ?? '',
    publicKey,
    clear: (text) => sign(text, '--clearsign'),
    detach: (bytes, armored = true) => sign(bytes, ...(armored ? ['--armor'] : []), '--detach-sign'),
    end: async () => void (await exec('gpgconf', ['--homedir', folder, '--kill', 'all'])),
  };
}
