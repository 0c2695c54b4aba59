import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { plainGuest } from '../guest/nic.ts';
import { randomPassword } from './password.ts';
import { planSeed, type SeedInput, type SeedPlan } from './seed.ts';

const template = (name: string) =>
  readFileSync(new URL(`../../../../templates/cloud-init/${name}.hbs`, import.meta.url), 'utf8');
const templates = {
  userData: template('user-data'),
  metaData: template('meta-data'),
  vendorData: template('vendor-data'),
  networkConfig: template('network-config'),
};

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3yqKo0AuVZ7WbYq5l1xN0m3v7oVqf0tq3Y1d2e3f4g me@host';
const OTHER = KEY.replace('me@host', 'other');

const nothing: SeedInput = {
  publicKeys: undefined,
  userData: undefined,
  metaData: undefined,
  networkConfig: undefined,
  isoPath: undefined,
  password: undefined,
  rememberedPassword: undefined,
  hostname: 'vm',
  volumeId: '4b1c6f0e-54a0-4a6b-8c1c-4b0f0f3f3c11',
  readyPort: 'io.virtainers.ready.0',
  network: undefined,
  mounts: [],
  random: () => 'random-password1',
  templates,
};

type Files = Extract<SeedPlan, { kind: 'files' }>;

function plan(input: Partial<SeedInput>): Files & { read(name: string): string } {
  const planned = planSeed({ ...nothing, ...input });
  if (planned.kind !== 'files') throw new Error('an ISO');
  const read = (name: string) => {
    const file = planned.files.find((candidate) => candidate.name === name);
    if (!file) throw new Error(`no ${name}`);
    return Buffer.from(file.content).toString();
  };
  return { ...planned, read };
}

const bytes = (text: string) => new TextEncoder().encode(text);

interface Part {
  readonly type: string | undefined;
  readonly name: string | undefined;
  readonly body: string;
}

/** vendor-data's parts, read as RFC 2046 (5.1) has it. */
function partsOf(message: string): Part[] {
  const [, boundary] = /^Content-Type: multipart\/mixed; boundary="([^"]+)"\nMIME-Version: 1.0\n\n/.exec(message) ?? [];
  const [, ...pieces] = message.split(`\n--${boundary}`);
  expect(pieces.pop()).toBe('--\n');
  return pieces.map((piece) => {
    const [head = '', ...rest] = piece.split('\n\n');
    const header = (field: string) => new RegExp(`^${field}: ([^;\n]*)(?:;.*filename="(.*)")?`, 'm').exec(head);
    const text = rest.join('\n\n');
    const base64 = header('Content-Transfer-Encoding')?.[1] === 'base64';
    return {
      type: header('Content-Type')?.[1],
      name: header('Content-Disposition')?.[2],
      body: base64 ? Buffer.from(text, 'base64').toString() : text,
    };
  });
}

/** The cloud-config with the password that vendor-data carries, if any. */
function vendorConfig(seed: ReturnType<typeof plan>): unknown {
  const part = partsOf(seed.read('vendor-data')).find(({ name }) => name === 'virtainers-password');
  return part && parse(part.body);
}

test('V4: a key alone: it reaches the guest, and SSH passwords are off', () => {
  const seed = plan({ publicKeys: `${KEY}\n` });
  expect(parse(seed.read('user-data'))).toEqual({ ssh_authorized_keys: [KEY], ssh_pwauth: false });
  expect(parse(seed.read('meta-data'))).toEqual({
    'instance-id': seed.instanceId,
    'local-hostname': 'vm',
    'public-keys': [KEY],
  });
  expect(seed).toMatchObject({ password: undefined, generatedPassword: undefined });
});

test('V4: nothing at all: a random password, told once, and kept at the next start', () => {
  const first = plan({});
  expect(first).toMatchObject({ password: 'random-password1', generatedPassword: 'random-password1' });
  expect(parse(first.read('user-data'))).toMatchObject({ password: 'random-password1', ssh_pwauth: true });
  const second = plan({ rememberedPassword: 'random-password1', random: () => 'another' });
  expect(second).toMatchObject({ password: 'random-password1', generatedPassword: undefined });
  expect(second.instanceId).toBe(first.instanceId);
});

test('V4: no seed has a fixed password', () => {
  for (const input of [{}, { publicKeys: KEY }, { userData: bytes('#!/bin/sh\n') }, { metaData: 'a: b' }]) {
    const seed = plan({ ...input, random: randomPassword });
    expect(seed.files.map(({ content }) => Buffer.from(content).toString()).join()).not.toMatch(/password: "?password/);
  }
});

test('user-data alone stays as it is, and no password is made', () => {
  const userData = bytes('#cloud-config\npackages: [vim]\n');
  const seed = plan({ userData });
  expect(seed.files.find(({ name }) => name === 'user-data')?.content).toEqual(userData);
  expect(seed).toMatchObject({ password: undefined, generatedPassword: undefined });
  expect(vendorConfig(seed)).toBeUndefined();
});

test.for([
  ['a script', bytes('#!/bin/sh\necho hi\n')],
  ['multipart', bytes('Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x--\r\n')],
  ['jinja', bytes('## template: jinja\n#cloud-config\nhostname: {{ v1.region }}\n')],
  ['an include', bytes('#include\nhttp://example.org/x\n')],
  ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0, 0xff, 0xfe, 0, 0)],
  ['nothing', new Uint8Array()],
] as const)('odd user-data goes through byte for byte, with a key beside it: %s', ([, userData]) => {
  const seed = plan({ userData, publicKeys: KEY });
  expect(seed.files.find(({ name }) => name === 'user-data')?.content).toBe(userData);
  expect(parse(seed.read('meta-data'))).toMatchObject({ 'public-keys': [KEY] });
});

test('V10: meta-data alone is used, gets what it lacks, and a password is made', () => {
  const seed = plan({ metaData: '# mine\nlocal-hostname: box\n' });
  expect(seed.read('meta-data')).toMatch(/^# mine\nlocal-hostname: box\ninstance-id: "virtainers-[0-9a-f]{24}"\n$/);
  expect(seed.generatedPassword).toBe('random-password1');
});

test('V10: complete meta-data stays byte for byte, its instance-id wins', () => {
  const metaData = '{instance-id: mine,   local-hostname: "x"}  # so\n';
  const seed = plan({ metaData, userData: bytes('') });
  expect(seed.read('meta-data')).toBe(metaData);
  expect(seed.instanceId).toBe('mine');
});

test('keys in meta-data count, and keys from both places reach the guest', () => {
  expect(plan({ metaData: `public-keys: ["${OTHER}"]` }).generatedPassword).toBeUndefined();
  const merged = (metaData: string) => parse(plan({ metaData, publicKeys: KEY }).read('meta-data'))['public-keys'];
  expect(merged(`public-keys: ["${OTHER}"]`)).toEqual([OTHER, KEY]);
  expect(merged(`public-keys: ${OTHER}`)).toEqual([OTHER, KEY]);
  expect(merged(`public-keys: {me: ["${OTHER}"]}`)).toEqual({ me: [OTHER], virtainers: [KEY] });
  expect(merged('public-keys:')).toEqual([KEY]);
});

test.for([
  ['instance-id: i-1; local-hostname: x', /meta-data: not YAML/],
  ['- a\n- b', /meta-data: not a YAML mapping/],
  ['just words', /meta-data: not a YAML mapping/],
  ['a: 1\na: 2', /meta-data: not YAML/],
] as const)('meta-data that is none is refused: %j', ([metaData, message]) => {
  expect(() => plan({ metaData })).toThrow(message);
});

test('empty meta-data is completed', () => {
  expect(parse(plan({ metaData: '' }).read('meta-data'))).toMatchObject({ 'local-hostname': 'vm' });
});

test('a private key is refused and not shown', () => {
  const secret = '-----BEGIN OPENSSH PRIVATE KEY-----\nhush\n';
  expect(() => plan({ publicKeys: secret, metaData: '[]' })).toThrow(
    /a private key[\s\S]*meta-data: not a YAML mapping/,
  );
  expect(() => plan({ publicKeys: secret })).not.toThrow(/hush/);
});

test('PASSWORD beside a key turns SSH passwords on', () => {
  const seed = plan({ publicKeys: KEY, password: 'x: "y" #' });
  expect(parse(seed.read('user-data'))).toEqual({
    ssh_authorized_keys: [KEY],
    password: 'x: "y" #',
    chpasswd: { expire: false },
    ssh_pwauth: true,
  });
});

test('PASSWORD beside user-data goes into vendor-data', () => {
  const userData = bytes('#!/bin/sh\n');
  const seed = plan({ userData, password: 'pässword'.repeat(20) });
  expect(seed.files.find(({ name }) => name === 'user-data')?.content).toBe(userData);
  expect(vendorConfig(seed)).toMatchObject({ password: 'pässword'.repeat(20), ssh_pwauth: true });
});

test('an ISO is attached as it is, and what lies beside it is named', () => {
  expect(planSeed({ ...nothing, isoPath: '/tmp/cloud_init.iso', publicKeys: KEY, password: 'x' })).toEqual({
    kind: 'iso',
    isoPath: '/tmp/cloud_init.iso',
    warnings: [
      'the public key is not used: /tmp/cloud_init.iso is attached as it is',
      'PASSWORD is not used: /tmp/cloud_init.iso is attached as it is',
    ],
  });
});

const nic = plainGuest('eth0', '02:42:ac:11:00:02');

test("the user's network-config wins over ours, byte for byte", () => {
  const ours = parse(plan({ network: [nic] }).read('network-config'));
  expect(ours.ethernets.eth0.match).toEqual({ macaddress: '02:42:ac:11:00:02' });
  const networkConfig = '# mine\nversion: 1\n';
  expect(plan({ network: [nic], networkConfig }).read('network-config')).toBe(networkConfig);
  expect(plan({}).files.map(({ name }) => name)).toEqual(['meta-data', 'user-data', 'vendor-data']);
});

test("V9: the container's network is not of the content: another container is the same machine", () => {
  const { instanceId } = plan({ publicKeys: KEY });
  expect(plan({ publicKeys: KEY, network: [nic] }).instanceId).toBe(instanceId);
  expect(plan({ publicKeys: KEY, network: [nic, { ...nic, name: 'eth1' }] }).instanceId).toBe(instanceId);
  expect(plan({ publicKeys: KEY, networkConfig: 'version: 2\n' }).instanceId).not.toBe(instanceId);
});

test('vendor-data: a hook for the end of cloud-init, the network at each boot, a password where there is one', () => {
  const parts = partsOf(plan({ userData: bytes('#!/bin/sh\n'), password: 'p' }).read('vendor-data'));
  expect(parts.map(({ name, type }) => [name, type])).toEqual([
    ['virtainers-ready', 'text/cloud-boothook'],
    ['virtainers-network', 'text/cloud-config'],
    ['virtainers-password', 'text/cloud-config'],
  ]);
  expect(parts[0]?.body).toMatch(
    /^#cloud-boothook\n#!\/bin\/sh\n[\s\S]*\/dev\/virtio-ports\/io\.virtainers\.ready\.0\n/,
  );
  expect(parse(parts[1]?.body ?? '')).toEqual({ updates: { network: { when: ['boot-new-instance', 'boot'] } } });
  expect(partsOf(plan({ publicKeys: KEY }).read('vendor-data'))).toHaveLength(2);
});

test("shared folders: mounted early in every boot, those in a new home later; no text of theirs is a shell's", () => {
  const folder = "/home/me/$(touch x) & 'é'";
  const mounts = [
    { tag: 'src', driver: 'virtiofs', folder, readonly: false },
    { tag: 'docs', driver: '9p', folder: '/srv/docs', readonly: true },
  ] as const;
  const seed = plan({ publicKeys: KEY, mounts });
  const [, , early, late, ...rest] = partsOf(seed.read('vendor-data'));
  expect([early?.type, late?.type]).toEqual(['text/cloud-boothook', 'text/x-shellscript']);
  expect(rest).toEqual([]);
  const [prefix = '', script = ''] = early?.body.split('\nlate=\n') ?? [];
  expect(prefix).toMatch(/^#cloud-boothook\n#!\/bin\/sh\n/);
  expect(late?.body).toMatch(/^#!\/bin\/sh\n/);
  expect(late?.body.split('\nlate=yes\n')[1]).toBe(script);
  expect(script).not.toContain('touch');
  const calls = script.match(/^share .*$/gm)?.map((line) => line.split(' '));
  expect(calls).toEqual([
    ['share', 'virtiofs', 'rw', 'src', Buffer.from(folder).toString('base64')],
    [
      'share',
      '9p',
      'ro,trans=virtio,version=9p2000.L,msize=512000',
      'docs',
      Buffer.from('/srv/docs').toString('base64'),
    ],
  ]);
  expect(seed.instanceId).toBe(plan({ publicKeys: KEY }).instanceId);
  expect(plan({ publicKeys: KEY }).read('vendor-data')).not.toContain('share');
});

test('V9: the instance-id follows the content and the data folder', () => {
  const base = { publicKeys: KEY, userData: bytes('a'), metaData: 'x: y', networkConfig: 'n', password: 'p' };
  const id = plan(base).instanceId;
  expect(plan({ ...base }).instanceId).toBe(id);
  const changes: Partial<SeedInput>[] = [
    { publicKeys: OTHER },
    { publicKeys: undefined },
    { userData: bytes('b') },
    { userData: undefined },
    { metaData: 'x: z' },
    { networkConfig: 'm' },
    { networkConfig: undefined },
    { password: 'q' },
    { password: undefined },
    { hostname: 'other' },
    { volumeId: 'bb1c6f0e-54a0-4a6b-8c1c-4b0f0f3f3c11' },
  ];
  const ids = changes.map((change) => plan({ ...base, ...change }).instanceId);
  expect(new Set([id, ...ids]).size).toBe(changes.length + 1);
});

test('all five ways in every combination: keys, PASSWORD and bytes arrive', () => {
  const maybe = <T>(value: T) => fc.constantFrom(undefined, value);
  const inputs = fc.record({
    publicKeys: maybe(KEY),
    userData: maybe(bytes('#!/bin/sh\n')),
    metaData: maybe('dsmode: net\n'),
    isoPath: maybe('/tmp/cloud_init.iso'),
    networkConfig: maybe('version: 2\n'),
    password: maybe('given'),
  });
  fc.assert(
    fc.property(inputs, (input) => {
      if (input.isoPath !== undefined) {
        expect(planSeed({ ...nothing, ...input }).kind).toBe('iso');
        return;
      }
      const seed = plan(input);
      const metaData = parse(seed.read('meta-data'));
      const nobody = !input.publicKeys && !input.userData && !input.password;
      expect(metaData['public-keys']).toEqual(input.publicKeys ? [KEY] : undefined);
      expect(metaData.dsmode).toBe(input.metaData ? 'net' : undefined);
      expect(seed.password).toBe(nobody ? 'random-password1' : input.password);
      const config = input.userData ? vendorConfig(seed) : parse(seed.read('user-data'));
      expect((config as { password?: string } | undefined)?.password).toBe(seed.password);
      if (input.userData) expect(seed.read('user-data')).toBe('#!/bin/sh\n');
    }),
  );
});

test('odd keys, comments and passwords survive YAML', () => {
  const line = fc
    .string({ unit: fc.oneof(fc.constantFrom(...'"\'\\:#{}[]&*!|>%@`,? -'), fc.string({ unit: 'grapheme' })) })
    .filter((text) => !/[\p{Cc}\p{Cs}\u2028\u2029\ufeff\ufffe\uffff]/u.test(text));
  fc.assert(
    fc.property(line, line, (comment, password) => {
      fc.pre(password !== '' && comment.trim() === comment);
      const key = `${KEY} ${comment}`.trim();
      const seed = plan({ publicKeys: `# mine\n\n${key}\r\n`, password });
      expect(parse(seed.read('user-data'))).toMatchObject({ ssh_authorized_keys: [key], password });
      expect(parse(seed.read('meta-data'))['public-keys']).toEqual([key]);
      expect(parse(seed.read('user-data'), { version: '1.1' })).toMatchObject({ password });
    }),
  );
});

test('odd meta-data of a user keeps its meaning when keys are added', () => {
  const yamlText = fc
    .string()
    .filter((text) => !['instance-id', 'local-hostname', 'public-keys', 'hostname'].includes(text));
  fc.assert(
    fc.property(fc.dictionary(yamlText, fc.oneof(fc.string(), fc.integer(), fc.boolean())), (meta) => {
      const completed = parse(plan({ metaData: JSON.stringify(meta), publicKeys: KEY }).read('meta-data'));
      expect(completed).toMatchObject({ ...meta, 'public-keys': [KEY], 'local-hostname': 'vm' });
    }),
  );
});

test('random passwords are long, differ, and have no look-alikes', () => {
  const many = Array.from({ length: 100 }, randomPassword);
  expect(new Set(many).size).toBe(100);
  expect(many.every((password) => /^[^0Oo1Il5S2Z8B]{16}$/.test(password))).toBe(true);
});
