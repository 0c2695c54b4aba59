import { expect, test } from 'vitest';
import type { SharedEntry } from '../container/shares.ts';
import { planShares, type ServerRights, virtiofsdWords } from './plan.ts';

const entry = (name: string, change: Partial<SharedEntry> = {}): SharedEntry => ({
  name,
  path: `/shares/${name}`,
  kind: 'folder',
  readonly: false,
  uid: 1001,
  gid: 1002,
  ...change,
});
const word = (name: string, guest: string, readonly = false) => ({ name, guest, readonly });

test('all that is there is shared: where SHARES says, else where it is; what lies inside another comes after it', () => {
  const entries = [entry('a', { readonly: true }), entry('b'), entry('c')];
  const shares = planShares([word('b', '/srv/in', true), word('c', '/srv')], entries);
  expect(shares.map(({ name, guest, readonly }) => [name, guest, readonly])).toEqual([
    ['a', '/shares/a', true],
    ['c', '/srv', false],
    ['b', '/srv/in', true],
  ]);
  expect(planShares([], [])).toEqual([]);
});

test('every problem is told at once', () => {
  const entries = [entry('a', { kind: 'file' }), entry('b c'), entry('d'), entry('e')];
  const plan = () => planShares([word('gone', '/srv/gone'), word('d', '/srv'), word('e', '/srv')], entries);
  expect(plan).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  for (const problem of [
    'SHARES names gone, and there is no /shares/gone',
    '/shares/a: a file; only folders can be shared',
    '"/shares/b c": not a name for a share',
    'd and e are both to be /srv in the guest',
  ]) {
    expect(plan).toThrow(problem);
  }
});

const ROOT: ServerRights = {
  asRoot: true,
  uid: 0,
  gid: 0,
  capabilities: new Set(['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'SETGID', 'SETUID', 'SYS_CHROOT']),
};

function words(rights: Partial<ServerRights>, change: Partial<SharedEntry> = {}): string {
  const [share] = planShares([], [entry('src', change)]);
  if (!share) throw new Error('no share');
  return virtiofsdWords(share, '/run/s', { ...ROOT, ...rights }).join(' ');
}

test("root's server stays in the folder, whose owner is the guest's user", () => {
  expect(words({})).toBe(
    '--shared-dir /shares/src --socket-path /run/s --socket-group qemu --modcaps=-mknod:-setfcap --sandbox chroot' +
      ' --translate-uid guest:1000:1001:1 --translate-uid host:1001:1000:1' +
      ' --translate-gid guest:1000:1002:1 --translate-gid host:1002:1000:1',
  );
  expect(words({}, { uid: 1000, gid: 1000, readonly: true })).toMatch(/--sandbox chroot --readonly$/);
});

test('it keeps no capability that the container does not have, and no sandbox that it may not make', () => {
  const capabilities = new Set([...ROOT.capabilities].filter((name) => !['FSETID', 'SYS_CHROOT'].includes(name)));
  expect(words({ capabilities })).toContain('--modcaps=-mknod:-setfcap:-fsetid --sandbox none');
});

test("another user's server makes files for nobody else", () => {
  expect(words({ asRoot: false, uid: 107, gid: 108, capabilities: new Set() })).toBe(
    '--shared-dir /shares/src --socket-path /run/s --sandbox none' +
      ' --translate-uid squash-guest:0:107:4294967295 --translate-uid host:107:1000:1' +
      ' --translate-gid squash-guest:0:108:4294967295 --translate-gid host:108:1000:1',
  );
});
