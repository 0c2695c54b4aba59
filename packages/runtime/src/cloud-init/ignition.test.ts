import { expect, test } from 'vitest';
import { type IgnitionInput, planIgnition } from './ignition.ts';
import { sha512Crypt } from './sha512-crypt.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8kq me@here';
const NOTHING: IgnitionInput = {
  publicKeys: undefined,
  userData: undefined,
  metaData: undefined,
  networkConfig: undefined,
  isoPath: undefined,
  password: undefined,
  rememberedPassword: undefined,
  hostname: 'box',
  user: 'core',
  random: () => 'random-password',
  salt: () => 'salt',
};

function plan(more: Partial<IgnitionInput>) {
  const { config, ...rest } = planIgnition({ ...NOTHING, ...more });
  return { ...rest, config: JSON.parse(config) };
}

function bytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
}

function contents(config: { storage: { files: { path: string; contents: { source: string } }[] } }) {
  const text = ({ source }: { source: string }) =>
    Buffer.from(source.replace('data:;base64,', ''), 'base64').toString();
  return Object.fromEntries(config.storage.files.map((file) => [file.path, text(file.contents)]));
}

test('a key: the login user has it, the guest its name, and no password works', () => {
  const { config, password, generatedPassword, warnings } = plan({ publicKeys: `${KEY}\n# me\n` });
  expect(config.ignition).toEqual({ version: '3.0.0' });
  expect(config.passwd).toEqual({ users: [{ name: 'core', sshAuthorizedKeys: [KEY] }] });
  expect(contents(config)).toEqual({ '/etc/hostname': 'box\n' });
  expect({ password, generatedPassword, warnings }).toEqual({
    password: undefined,
    generatedPassword: undefined,
    warnings: [],
  });
});

test('a password is hashed, and sshd takes it', () => {
  const { config } = plan({ password: 'secret', publicKeys: KEY });
  expect(JSON.stringify(config)).not.toContain('secret');
  const [user] = config.passwd.users;
  expect(user).toEqual({ name: 'core', sshAuthorizedKeys: [KEY], passwordHash: sha512Crypt('secret', 'salt') });
  expect(contents(config)['/etc/ssh/sshd_config.d/10-virtainers.conf']).toBe('PasswordAuthentication yes\n');
});

test('nothing given: a random password, made once and remembered', () => {
  const first = plan({});
  expect(first).toMatchObject({ password: 'random-password', generatedPassword: 'random-password' });
  const again = plan({ rememberedPassword: 'earlier' });
  expect(again).toMatchObject({ password: 'earlier', generatedPassword: undefined });
  expect(again.config.passwd.users[0].passwordHash).toBe(sha512Crypt('earlier', 'salt'));
});

test('salts differ from one plan to the next', () => {
  const { salt: _, ...input } = { ...NOTHING, password: 'secret' };
  expect(planIgnition(input).config).not.toBe(planIgnition(input).config);
});

test('the user’s own config is merged over ours, byte for byte, with the key beside it', () => {
  const own = { ignition: { version: '3.4.0' }, storage: { directories: [{ path: '/srv/data' }] } };
  const { config, password } = plan({ userData: bytes(own), publicKeys: KEY });
  const [{ source }] = config.ignition.config.merge;
  expect(Buffer.from(source.split(',')[1], 'base64').toString()).toBe(JSON.stringify(own));
  expect(config.passwd.users[0].sshAuthorizedKeys).toEqual([KEY]);
  expect(password).toBeUndefined();
  expect(plan({ userData: bytes(own) }).config.passwd).toBeUndefined();
});

test('a config of specification 2 is handed over as it is, and what is lost is said', () => {
  const own = { ignition: { version: '2.3.0' } };
  const { config, warnings } = plan({ userData: bytes(own), publicKeys: KEY, password: 'x' });
  expect(config).toEqual(own);
  expect(warnings).toEqual([expect.stringMatching(/^the public key is not used/), expect.stringMatching(/^PASSWORD/)]);
});

test.each(['#cloud-config\n', '', '{}', '{"ignition":{}}', '[]', '{"ignition":{"version":3}}', '\ud800'])(
  'user-data that is no Ignition config is refused: %s',
  (text) => {
    expect(() => plan({ userData: bytes(text) })).toThrowError(
      expect.objectContaining({ code: 'CONFIG_INVALID', hint: expect.stringContaining('butane') }),
    );
  },
);

test('all problems are told at once', () => {
  const wrong = { userData: bytes('x'), publicKeys: 'no key', isoPath: '/tmp/cloud_init.iso' };
  expect(() => plan(wrong)).toThrowError(/id_rsa\.pub[\s\S]*user-data[\s\S]*cloud_init\.iso/);
});

test('what only cloud-init reads is told to be of no use', () => {
  const { warnings } = plan({ metaData: 'a: b', networkConfig: 'version: 2', publicKeys: KEY });
  expect(warnings).toHaveLength(2);
});
