import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findPublicKey } from './key.ts';

const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB me@here\n';
const RSA = 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ== me@here\n';
const PRIVATE = '-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n';

async function homeWith(files: Record<string, string>): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'virtainers-home-'));
  await mkdir(join(home, '.ssh'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, '.ssh', name), text);
  return home;
}

test('the best of several', async () => {
  const home = await homeWith({ 'id_rsa.pub': RSA, 'id_ed25519.pub': ED25519 });
  expect(await findPublicKey(home)).toBe(join(home, '.ssh', 'id_ed25519.pub'));
});

test('an empty or odd file is passed over', async () => {
  const home = await homeWith({ 'id_ed25519.pub': '', 'id_ecdsa.pub': 'hello', 'id_rsa.pub': RSA });
  expect(await findPublicKey(home)).toBe(join(home, '.ssh', 'id_rsa.pub'));
});

test('none', async () => {
  expect(await findPublicKey(await homeWith({}))).toBeUndefined();
  expect(await findPublicKey('/nonexistent')).toBeUndefined();
});

test('a private key stands for the public one beside it', async () => {
  const home = await homeWith({ box: PRIVATE, 'box.pub': ED25519 });
  expect(await findPublicKey(home, join(home, '.ssh', 'box'))).toBe(join(home, '.ssh', 'box.pub'));
});

test.each([
  ['missing', undefined, 'no such file'],
  ['lonely', PRIVATE, 'is a private key'],
  ['odd', 'hello', 'holds no SSH public key'],
])('a key that is %s', async (name, text, message) => {
  const home = await homeWith(text === undefined ? {} : { [name]: text });
  await expect(findPublicKey(home, join(home, '.ssh', name))).rejects.toThrow(message);
});
