import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeCustomization } from './describe.ts';
import { readCustomization } from './wish.ts';
import { parseWishFile } from './wish-file.ts';

let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'virtainers-wish-'));
  await writeFile(at('motd'), 'hello\n');
  await writeFile(at('tool'), '#!/bin/sh\n', { mode: 0o755 });
  await writeFile(at('setup.sh'), '#!/bin/sh\n');
});

afterAll(() => rm(folder, { recursive: true }));

test('a file of ours says it all: text stays text, a mode is octal, sources lie beside it', async () => {
  const yaml = [
    'packages: [nginx, 7zip]',
    'files:',
    '  - {path: /etc/motd, source: motd, mode: 0640, owner: root:adm}',
    '  - {path: /etc/version, content: 1.10}',
    'run: [setup.sh]',
    'firstBoot: [systemctl enable --now web]',
  ];
  await writeFile(at('web.yaml'), yaml.join('\n'));
  const wish = await readCustomization({ customize: [at('web.yaml')] });
  expect(wish).toEqual({
    packages: ['nginx', '7zip'],
    files: [
      { path: '/etc/motd', mode: 0o640, owner: 'root:adm', content: expect.objectContaining({ path: at('motd') }) },
      { path: '/etc/version', mode: 0o644, owner: 'root:root', content: Buffer.from('1.10') },
    ],
    scripts: [{ name: 'setup.sh', content: expect.objectContaining({ path: at('setup.sh') }) }],
    firstBoot: ['systemctl enable --now web'],
    cloudConfig: undefined,
    user: undefined,
  });
});

test('options say the same, come after the files, and a folder as target keeps the name', async () => {
  await writeFile(at('user.yaml'), '#cloud-config\nruncmd: [true]\n');
  const file = [`${at('motd')}:/etc/motd`, `${at('tool')}:/usr/local/bin/`];
  const wish = await readCustomization({ customize: [at('user.yaml')], package: ['git', 'git'], file, user: 'me' });
  expect(wish).toMatchObject({ packages: ['git'], cloudConfig: '#cloud-config\nruncmd: [true]\n', user: 'me' });
  expect(wish?.files.map(({ path, mode }) => [path, mode])).toEqual([
    ['/etc/motd', 0o644],
    ['/usr/local/bin/tool', 0o755],
  ]);
});

test('nothing asked for is nothing to do, whoever the login user is', async () => {
  expect(await readCustomization({ user: 'me', package: [] })).toBeUndefined();
});

test('everything that is wrong is said at once', async () => {
  await writeFile(
    at('bad.yaml'),
    'packages: [--now]\nfiles: [{path: etc/motd}, {path: /a, content: b, mode: 999}]\nextra: 1\n',
  );
  await writeFile(at('one.yaml'), '#cloud-config\n{}\n');
  const options = {
    customize: [at('bad.yaml'), at('one.yaml'), at('one.yaml'), at('setup.sh'), at('none.yaml')],
    package: ['a b'],
    file: ['motd', `${at('motd')}:/x/../y`, `${at('motd')}:/m`, `${folder}:/m`],
    run: [at('none.sh')],
    firstBoot: [' '],
  };
  const error = await readCustomization(options).catch((thrown: Error) => thrown);
  expect(error).toMatchObject({ code: 'CUSTOMIZE_INVALID' });
  const said = (error as Error).message;
  for (const problem of [
    'bad.yaml: packages[0]: not the name of a package',
    'bad.yaml: files[0].path: "etc/motd" is no path of a file: it is not absolute',
    'bad.yaml: files[0]: either content or source',
    'bad.yaml: files[1].mode: not permission bits',
    'bad.yaml: Unrecognized key: "extra"',
    'setup.sh: a script, which --run takes',
    'none.yaml: ENOENT',
    'one cloud-config at most',
    '--package a b: not the name of a package',
    '--file motd: not SOURCE:PATH',
    'is no path of a file: a part of it is empty',
    '/m: two files go there',
    `${folder}, for /m: not a file`,
    'none.sh, to run: ENOENT',
    '--first-boot  : no command',
  ]) {
    expect(said).toContain(problem);
  }
});

test('broken YAML is named with its line, and a list is no mapping', () => {
  expect(parseWishFile('a.yaml', 'packages: [').problems[0]).toMatch(/^a\.yaml: .* at line 1/);
  expect(parseWishFile('a.yaml', '#cloud-config\n- a').problems).toEqual(['a.yaml: not a mapping']);
  expect(parseWishFile('a.yaml', '#cloud-config-archive\n- a').problems).toEqual(['a.yaml: not a mapping']);
});

test('the digest follows the bytes and not where they lie', async () => {
  const digest = async (options: Parameters<typeof readCustomization>[0]) => {
    const wish = await readCustomization(options);
    return wish && describeCustomization(wish, 'sha256:00').digest;
  };
  await writeFile(at('copy'), 'hello\n');
  await writeFile(at('inline.yaml'), 'files: [{path: /m, content: "hello\\n"}]');
  const first = await digest({ file: [`${at('motd')}:/m`] });
  expect(await digest({ file: [`${at('copy')}:/m`] })).toBe(first);
  expect(await digest({ customize: [at('inline.yaml')] })).toBe(first);
  await writeFile(at('copy'), 'hallo\n');
  expect(await digest({ file: [`${at('copy')}:/m`] })).not.toBe(first);
  expect(await digest({ file: [`${at('motd')}:/m`], user: 'me' })).not.toBe(first);
});
