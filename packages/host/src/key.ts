import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { VirtainersError } from '@virtainers/core';

/** Where OpenSSH keeps a person's public keys, the best first. */
const NAMES = ['id_ed25519.pub', 'id_ecdsa.pub', 'id_rsa.pub'] as const;

/** A line of authorized_keys or of a .pub file: options may come first, then type and base64 (sshd(8), AUTHORIZED_KEYS FILE FORMAT). */
const PUBLIC_KEY =
  /(?:^|\s)(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-[\w-]+|sk-[\w-]+@openssh\.com)\s+[A-Za-z0-9+/]+=*(?:\s|$)/m;

/**
 * The public key file to hand to the guest: `wanted` (a private key's own .pub is taken for it), or the first of the person's.
 * Undefined: nothing was wanted and there is none. Throws ARGUMENTS_BAD for a file that is no public key.
 */
export async function findPublicKey(home: string, wanted?: string): Promise<string | undefined> {
  if (wanted !== undefined) return checkWanted(resolve(wanted));
  for (const name of NAMES) {
    const path = join(home, '.ssh', name);
    const text = await read(path);
    if (text !== undefined && PUBLIC_KEY.test(text)) return path;
  }
  return undefined;
}

async function checkWanted(path: string): Promise<string> {
  const text = await read(path);
  if (text === undefined) throw new VirtainersError('ARGUMENTS_BAD', `reading the key ${path}: no such file`);
  if (PUBLIC_KEY.test(text)) return path;
  if (/PRIVATE KEY/.test(text)) {
    const beside = await read(`${path}.pub`);
    if (beside !== undefined && PUBLIC_KEY.test(beside)) return `${path}.pub`;
    throw new VirtainersError('ARGUMENTS_BAD', `${path} is a private key; it stays on this machine`, {
      hint: `make its public half: ssh-keygen -y -f ${path} > ${path}.pub`,
    });
  }
  throw new VirtainersError('ARGUMENTS_BAD', `${path} holds no SSH public key`);
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return undefined;
    throw error;
  }
}
