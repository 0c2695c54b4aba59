import type { Log } from '@virtainers/core';
import { expect, test } from 'vitest';
import {
  domainFilesystems,
  type GuestShares,
  guestMounts,
  planGuestShares,
  reportShares,
  sharesStatus,
  tellMounts,
  whyNotSaved,
} from './shares.ts';

const entry = { name: 'src', path: '/shares/src', kind: 'folder', readonly: true, uid: 1, gid: 1 } as const;
const plan = (features: readonly string[], entries = [entry]): GuestShares =>
  planGuestShares({ config: { shares: [] }, sharedEntries: entries, features: new Set(features) });
const deps = { driver: { runFolder: '/run/virtainers' } } as Parameters<typeof domainFilesystems>[0];

function linesOf(say: (log: Log) => void): string {
  const lines: string[] = [];
  const add = (line: string) => void lines.push(line);
  say({ info: add, warn: add, debug: add });
  return lines.join('\n');
}

test('virtiofs where the image brings its program, 9p elsewhere, which the log tells', () => {
  const virtiofs = plan(['share']);
  expect(domainFilesystems(deps, virtiofs)).toEqual([
    { kind: 'virtiofs', tag: 'src', socket: '/run/virtainers/share-src.sock' },
  ]);
  expect(linesOf((log) => reportShares(log, virtiofs))).toBe(
    'share: /shares/src is /shares/src in the guest (virtiofs, read-only)',
  );
  const served = plan([]);
  expect(domainFilesystems(deps, served)).toEqual([{ kind: '9p', tag: 'src', folder: '/shares/src', readonly: true }]);
  expect(linesOf((log) => reportShares(log, served))).toContain('baked without the feature share');
});

test('a guest that our seed does not reach: the log says what to type there', () => {
  expect(linesOf((log) => tellMounts(log, guestMounts(plan(['share'])), 'why'))).toBe(
    'why: nothing mounts /shares/src there; in the guest: mount -t virtiofs -o ro src /shares/src',
  );
});

test('a machine with a share cannot be saved; one without can, and has nothing to tell', () => {
  expect(whyNotSaved(plan(['share']))).toBe('a machine with a shared folder (/shares/src) cannot be saved');
  const none = plan(['share'], []);
  expect(whyNotSaved(none)).toBeUndefined();
  expect(sharesStatus(none)).toBeUndefined();
});
