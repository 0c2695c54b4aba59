import { randomBytes } from 'node:crypto';
import { VirtainersError } from '@virtainers/core';
import { z } from 'zod';
import type { SeedInputs } from './inputs.ts';
import { parsePublicKeys } from './public-keys.ts';
import { sha512Crypt } from './sha512-crypt.ts';

export interface IgnitionInput extends SeedInputs {
  /** PASSWORD. */
  readonly password: string | undefined;
  /** The random one that an earlier start of this data folder made. */
  readonly rememberedPassword: string | undefined;
  readonly hostname: string;
  /** Who logs in. */
  readonly user: string;
  /** Makes a password. */
  random(): string;
  /** Makes a salt for crypt(5). */
  salt?(): string;
}

/** What Ignition reads at the first boot of a disk. */
export interface IgnitionPlan {
  /** JSON. It may hold the hash of a password. */
  readonly config: string;
  readonly password: string | undefined;
  /** A random one made just now: to be shown once, and remembered. */
  readonly generatedPassword: string | undefined;
  readonly warnings: readonly string[];
}

/** Only what tells an Ignition config from other JSON; the rest is Ignition's to check. */
const theirs = z.looseObject({ ignition: z.looseObject({ version: z.string().regex(/^\d+\.\d+\.\d+/) }) });

/**
 * Plans the config of a guest without cloud-init (coreos.github.io/ignition, specification 3.0.0): host name, keys and password
 * of the login user. A config of the user's own, mounted as user-data, is merged over it and wins; one of specification 2,
 * which knows no merging with this one, is handed over as it is. Without any of them a random password is made.
 * Throws CONFIG_INVALID.
 */
export function planIgnition(input: IgnitionInput): IgnitionPlan {
  const { own, keys } = readTexts(input);
  const warnings = unused(input);
  if (own && !own.version.startsWith('3.')) {
    const lost = [keys.length > 0 && 'the public key', input.password !== undefined && 'PASSWORD'].filter(Boolean);
    const why = `user-data is of Ignition's specification ${own.version}, which is handed over as it is`;
    const more = lost.map((name) => `${name} is not used: ${why}`);
    return { config: own.text, password: undefined, generatedPassword: undefined, warnings: [...warnings, ...more] };
  }
  const open = keys.length > 0 || own !== undefined || input.password !== undefined;
  const random = open ? undefined : (input.rememberedPassword ?? input.random());
  const password = input.password ?? random;
  return {
    config: JSON.stringify(makeConfig(input, keys, password, own?.text)),
    password,
    generatedPassword: random === input.rememberedPassword ? undefined : random,
    warnings,
  };
}

function makeConfig(input: IgnitionInput, keys: readonly string[], password: string | undefined, own?: string) {
  const salt = input.salt?.() ?? randomBytes(12).toString('hex').slice(0, 16);
  const user = {
    name: input.user,
    ...(keys.length > 0 && { sshAuthorizedKeys: keys }),
    ...(password !== undefined && { passwordHash: sha512Crypt(password, salt) }),
  };
  const files = [
    file('/etc/hostname', 0o644, `${input.hostname}\n`),
    // Before the distro's own file, which says no: the first word counts (sshd_config(5)).
    ...(password === undefined ? [] : [file('/etc/ssh/sshd_config.d/10-virtainers.conf', 0o600, PASSWORDS)]),
  ];
  return {
    ignition: { version: '3.0.0', ...(own !== undefined && { config: { merge: [{ source: dataUrl(own) }] } }) },
    ...((keys.length > 0 || password !== undefined) && { passwd: { users: [user] } }),
    storage: { files },
  };
}

const PASSWORDS = 'PasswordAuthentication yes\n';

function file(path: string, mode: number, content: string) {
  return { path, mode, overwrite: true, contents: { source: dataUrl(content) } };
}

function dataUrl(text: string): string {
  return `data:;base64,${Buffer.from(text).toString('base64')}`;
}

function readTexts(input: IgnitionInput): { own: { text: string; version: string } | undefined; keys: string[] } {
  const problems: string[] = [];
  const keys = input.publicKeys === undefined ? [] : parsePublicKeys(input.publicKeys);
  if (typeof keys === 'string') problems.push(`/tmp/id_rsa.pub: ${keys}`);
  const own = input.userData === undefined ? undefined : parseOwn(input.userData);
  if (typeof own === 'string') problems.push(`/tmp/user-data: ${own}`);
  if (input.isoPath !== undefined)
    problems.push(`${input.isoPath}: a seed for cloud-init, which this guest does not have`);
  if (typeof keys === 'string' || typeof own === 'string' || problems.length > 0) {
    throw new VirtainersError('CONFIG_INVALID', `planning the guest's Ignition config:\n  ${problems.join('\n  ')}`, {
      hint: 'this guest is set up by Ignition, not by cloud-init: `butane` makes its JSON from YAML',
    });
  }
  return { own, keys };
}

function parseOwn(bytes: Uint8Array): { text: string; version: string } | string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { text, version: theirs.parse(JSON.parse(text)).ignition.version };
  } catch {
    return 'it is no Ignition config: no JSON that says `ignition.version`';
  }
}

function unused(input: IgnitionInput): string[] {
  const others = { 'meta-data': input.metaData, 'network-config': input.networkConfig };
  return Object.entries(others)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => `${name} is not used: this guest is set up by Ignition, not by cloud-init`);
}
