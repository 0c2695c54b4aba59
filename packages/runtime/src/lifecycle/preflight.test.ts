import { type Machine, type NetworkDisk, parseNetworkDisk } from '@virtainers/core';
import { expect, test } from 'vitest';
import type { FirmwareSettings } from '../config/firmware.ts';
import { requireFeatures } from './preflight.ts';
import type { GuestShares } from './shares.ts';

const machine = { name: 'box:1', arch: 'amd64' } as Machine;
const NO_SHARES: GuestShares = { driver: '9p', shares: [] };
const share = { name: 'src', folder: '/shares/src', guest: '/srv', readonly: false, owner: { uid: 0, gid: 0 } };
const BIOS: FirmwareSettings = { kind: 'bios', secureBoot: false, tpm: false };

function missing(
  firmware: Partial<FirmwareSettings>,
  features: readonly string[] = [],
  change: Partial<Machine> = {},
  disks: readonly NetworkDisk[] = [],
  shares: GuestShares = NO_SHARES,
  osinfo = 'debian13',
) {
  const os = { shortId: osinfo, id: undefined };
  const wants = { machine: { ...machine, ...change }, config: { firmware: { ...BIOS, ...firmware }, disks, os } };
  try {
    requireFeatures({ ...wants, facts: { arch: 'amd64' }, features: new Set(features) }, shares);
    return undefined;
  } catch (error) {
    expect(error).toMatchObject({ code: 'FEATURE_MISSING', exitCode: 69 });
    const { message, hint } = error as Error & { hint: string };
    return `${message}; ${hint}`;
  }
}

test('a guest with a BIOS needs none; UEFI, secure boot and a TPM are in one', () => {
  expect(missing({})).toBeUndefined();
  expect(missing({ kind: 'uefi', secureBoot: true, tpm: true }, ['uefi'])).toBeUndefined();
});

test('what is missing is named once, with the bake that brings it', () => {
  expect(missing({ kind: 'uefi', tpm: true })).toMatch(
    /^UEFI needs the feature uefi; a TPM needs the feature uefi, .*virtainers bake box:1 --feature uefi$/,
  );
  expect(missing({ kind: 'uefi' }, ['uefi'], { arch: 'arm64' })).toMatch(/guest of arm64.*--feature aarch64$/);
});

test('a disk on the network needs one, over iSCSI too', () => {
  const disks = ['rbd:disks/music', 'iscsi://10.0.0.9/iqn.2026-01.example:store/1'].map(parseNetworkDisk);
  expect(missing({}, ['rbd'], {}, disks as NetworkDisk[])).toBeUndefined();
  expect(missing({}, [], {}, disks as NetworkDisk[])).toMatch(
    /a disk on the network \(rbd:disks\/music, iscsi:.*\) needs the feature rbd.*--feature rbd$/,
  );
});

test('a shared folder needs one where the guest has no 9p, and does with 9p elsewhere', () => {
  const shared = (osinfo: string, features: readonly string[] = []) =>
    missing({}, features, {}, [], { driver: '9p', shares: [share] }, osinfo);
  expect(shared('debian13')).toMatch(/^a shared folder needs the feature share, .*--feature share; or, .*OS_VARIANT/);
  expect(shared('rocky9')).toMatch(/--feature share/);
  expect(shared('debian13', ['share'])).toBeUndefined();
  expect(shared('alpinelinux3.21')).toBeUndefined();
  expect(missing({})).toBeUndefined();
});
