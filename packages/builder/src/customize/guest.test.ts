import { join } from 'node:path';
import { expect, test } from 'vitest';
import { segmentsSize, streamSegments } from '../oci/segments.ts';
import { planGuestInputs, proxies } from './payload.ts';
import { makeReport } from './report.ts';
import { type SandboxPlan, sandboxCommand } from './sandbox.ts';
import type { Customization } from './wish.ts';

const scripts = join(import.meta.dirname, '../../guest');
const nothing: Customization = {
  packages: [],
  files: [],
  scripts: [],
  firstBoot: [],
  cloudConfig: undefined,
  user: undefined,
};

async function textOf(segments: Parameters<typeof streamSegments>[0]): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of streamSegments(segments)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces).toString('latin1');
}

test('the payload has lists for the guest, and contents under numbers', async () => {
  const wish: Customization = {
    ...nothing,
    packages: ['nginx', 'git'],
    files: [{ path: '/etc/a b', mode: 0o640, owner: 'root:adm', content: Buffer.from('content of it') }],
    scripts: [{ name: 'set up', content: Buffer.from('true') }],
    firstBoot: ['echo once'],
    user: 'me',
  };
  const { payload, userData } = await planGuestInputs(wish, scripts, {});
  const text = await textOf(payload);
  for (const part of [
    'nginx\ngit\n',
    '0 640 root:adm /etc/a b\n1 644 root:root /etc/cloud/cloud.cfg.d/95_virtainers_user.cfg\n',
    'content of it',
    'run/000-set_up',
    '#!/bin/sh -e\necho once\n',
    'default_user:\n    name: "me"\n',
  ]) {
    expect(text).toContain(part);
  }
  expect(userData).toContain('user:\n  name: "me"\n');
  expect(userData).toContain(`head -c ${segmentsSize(payload)} `);
});

test("the user's cloud-config goes to cloud-init as it is, beside ours", async () => {
  const cloudConfig = '#cloud-config\nruncmd:\n  - echo ü\n';
  const { userData } = await planGuestInputs({ ...nothing, cloudConfig }, scripts, {});
  const [, encoded = ''] = /filename="cloud-config"\n\n([\w+/=\n]*)\n--virtainers/.exec(userData) ?? [];
  expect(Buffer.from(encoded, 'base64').toString()).toBe(cloudConfig);
});

test('proxies go along in both spellings, and nothing else of the environment', () => {
  expect(proxies({ http_proxy: 'http://p:3128', NO_PROXY: 'local', HTTPS_PROXY: '', SECRET: 'x' })).toBe(
    'http_proxy=http://p:3128\nHTTP_PROXY=http://p:3128\nno_proxy=local\nNO_PROXY=local\n',
  );
});

const plan: SandboxPlan = {
  ...{ script: '/s', root: '/r', app: '/a', disk: '/d', work: '/w', asRoot: true, kvmGroup: undefined },
  settings: { RAM: '1024' },
  arguments: ['-x'],
};

test("root becomes QEMU's user; anyone else is shown as it in a namespace of its own", () => {
  const asRoot = sandboxCommand(plan).join(' ');
  expect(asRoot).toContain(
    'sh /s /r /a /d /w chroot /r setpriv --reuid=107 --regid=107 --clear-groups --inh-caps=-all',
  );
  expect(asRoot).not.toContain('--user');
  expect(sandboxCommand({ ...plan, kvmGroup: 104 })).toContain('--groups=104');
  const asPerson = sandboxCommand({ ...plan, asRoot: false }).join(' ');
  expect(asPerson).toContain('unshare --user --map-root-user --mount');
  expect(asPerson).toContain(
    'unshare --user --map-user=107 --map-group=107 --keep-caps -- chroot /r setpriv --ambient',
  );
  for (const command of [asRoot, asPerson])
    expect(command).toMatch(/^setpriv --pdeathsig KILL .* RAM=1024 tini .* -x$/);
});

function listen(...pieces: string[]) {
  const steps: string[] = [];
  const lines: string[] = [];
  const { report, read } = makeReport(
    ({ step }) => steps.push(step),
    (line) => lines.push(line),
  );
  for (const piece of pieces) read(Buffer.from(piece));
  return { report, steps, lines };
}

test('a report is heard in whatever pieces it comes, between what scripts print', () => {
  const { report, steps, lines } = listen(
    '\x1ebeg',
    'in\n\x1estep pack',
    'ages\nGet:1\nno end\x1estep run a\nhel',
    'lo\n',
  );
  expect(report).toMatchObject({ began: true, step: 'run a', tail: 'hello\n', failure: undefined, done: false });
  expect(steps).toEqual(['booting', 'packages', 'run a']);
  expect(lines).toEqual(['Get:1', 'no end', 'hello']);
});

test('a failure comes with its exit code and the end of what was printed', () => {
  const { report } = listen('\x1ebegin\n\x1estep run a\n', 'x'.repeat(5000), '\nthe end\n\x1efailed 3 run a\n');
  expect(report.failure).toEqual({ code: 3, what: 'run a' });
  expect(report.tail.length).toBe(2000);
  expect(report.tail).toMatch(/x\nthe end\n$/);
});

test('the last word is that it is done', () => {
  expect(listen('\x1ewarning odd\n\x1edone\n').report).toMatchObject({ done: true, warnings: ['odd'] });
});
