import type { Machine } from '@virtainers/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { noOptions } from '../testing/networks.ts';
import { type ConfigInput, memoryOverheadMiB, parseConfig } from './parse.ts';
import { SETTINGS } from './settings.ts';

const machine: Machine = {
  formatVersion: 1,
  name: 'debian:13-packages',
  arch: 'amd64',
  osinfo: 'debian13',
  user: 'debian',
  firmware: 'bios',
  ports: [22, 80],
};

function parse(env: Record<string, string>, more: Partial<ConfigInput> = {}) {
  return parseConfig({
    env,
    args: [],
    machine,
    osinfo: { debian13: { id: 'http://debian.org/debian/13' }, 'rhel7.9': { id: 'http://redhat.com/rhel/7.9' } },
    memoryLimitBytes: undefined,
    readSecret: () => 'from a file\n',
    ...more,
  });
}

function problems(env: Record<string, string>, more: Partial<ConfigInput> = {}): string {
  try {
    parse(env, more);
  } catch (error) {
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 78 });
    return (error as Error).message;
  }
  throw new Error('no problem was found');
}

test('without any setting', () => {
  expect(parse({ PATH: '/bin', HOME: '/', HOSTNAME: 'x', TERM: 'xterm', container: 'podman' })).toEqual({
    ramMiB: 1024,
    cpus: 1,
    vmName: 'vm',
    os: { shortId: 'debian13', id: 'http://debian.org/debian/13' },
    diskSize: undefined,
    disks: [],
    imageDir: '/mounted',
    verify: false,
    cloudInitDisk: undefined,
    password: undefined,
    network: {
      ask: { kind: 'auto' },
      options: {
        ...noOptions,
        ports: [
          { protocol: 'tcp', port: 22 },
          { protocol: 'tcp', port: 80 },
        ],
      },
    },
    firmware: { kind: 'bios', secureBoot: false, tpm: false },
    accel: 'auto',
    stopAction: 'shutdown',
    stopTimeoutMs: 60_000,
    readyTimeoutMs: 600_000,
    shares: [],
    debug: false,
    qemuArgs: [],
    reference: undefined,
    diffIDs: undefined,
    warnings: [],
  });
});

test('every setting of this version', () => {
  const env = {
    RAM: '2G',
    CPU: '2',
    VM_NAME: 'box-1',
    OS_VARIANT: 'rhel7',
    DISK_SIZE: '40G',
    IMAGE_DIR: '/data/',
    VERIFY: 'full',
    CLOUD_INIT_DISK: '/tmp/seed.iso',
    PASSWORD: 'secret',
    NETWORK_MODE: 'NAT',
    PORTS: '22,53/udp',
    CIDR: '10.9.8',
    ACCEL: 'tcg',
    STOP_ACTION: 'destroy',
    STOP_TIMEOUT: '2m',
    READY_TIMEOUT: '30',
    DEBUG: 'y',
    VIRTAINERS_REFERENCE: 'registry.example/me/box:1',
    VIRTAINERS_LAYERS: `sha256:${'a'.repeat(64)},sha256:${'b'.repeat(64)}`,
  };
  expect(parse(env, { args: ['-snapshot'] })).toMatchObject({
    ramMiB: 2048,
    cpus: 2,
    vmName: 'box-1',
    os: { shortId: 'rhel7.9', id: 'http://redhat.com/rhel/7.9' },
    diskSize: 40 * 1024 ** 3,
    imageDir: '/data',
    verify: true,
    cloudInitDisk: '/tmp/seed.iso',
    password: 'secret',
    network: { ask: { kind: 'all', mode: 'nat', by: 'NETWORK_MODE' }, options: { cidr: '10.9.8' } },
    accel: 'tcg',
    stopAction: 'destroy',
    stopTimeoutMs: 120_000,
    readyTimeoutMs: 30_000,
    debug: true,
    qemuArgs: ['-snapshot'],
    reference: 'registry.example/me/box:1',
    diffIDs: [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`],
    warnings: [],
  });
});

test('all problems are reported at once, each with its name, its value and what is allowed', () => {
  const text = problems({ RAM: 'lots', CPU: '0', VM_NAME: '../x', NETWORK_MODE: 'vlan', STOP_ACTION: 'suspend' });
  expect(text.split('\n')).toEqual([
    'reading the settings:',
    '  RAM="lots": not allowed; allowed: MiB, or a size such as 2G; whole MiB from 64M to 8T',
    '  CPU="0": not allowed; allowed: a whole number from 1 to 255',
    '  VM_NAME="../x": not allowed; allowed: up to 63 letters, digits, dots, hyphens and underscores, the first a letter or digit',
    '  NETWORK_MODE="vlan": not allowed; allowed: auto, nat, bridge, macvtap, host-bridge, passt, user or none; or one a NIC: eth0=macvtap eth1=nat',
    '  STOP_ACTION="suspend": not allowed; allowed: shutdown, save or destroy',
  ]);
});

test('a password is never shown', () => {
  expect(problems({ PASSWORD: 'hush\nhush' })).toContain('PASSWORD=(not shown)');
  expect(problems({ PASSWORD: 'hush\nhush' })).not.toContain('hush');
  expect(problems({ PASSWORD_FILE: '/run/x' }, { readSecret: () => 'hush\nhush' })).not.toContain('hush');
});

test('PASSWORD_FILE', () => {
  expect(parse({ PASSWORD_FILE: '/run/secrets/p' }).password).toBe('from a file');
  expect(problems({ PASSWORD_FILE: '/p', PASSWORD: 'x' })).toContain('PASSWORD is set as well');
  const readSecret = () => {
    throw new Error('ENOENT');
  };
  expect(problems({ PASSWORD_FILE: '/p' }, { readSecret })).toContain('cannot be read: ENOENT');
});

test("RAM above the container's memory limit names both", () => {
  const limited = { memoryLimitBytes: 1024 ** 3 };
  expect(problems({ RAM: '1024' }, limited)).toMatch(/1024 MiB for the guest and 244 MiB .* limit of 1 GiB; RAM=792/);
  expect(problems({}, limited)).toContain('RAM=(not set): 1024 MiB');
  expect(parse({ RAM: '792' }, limited).ramMiB).toBe(792);
  expect(problems({}, { memoryLimitBytes: 128 * 1024 ** 2 })).not.toContain('would fit');
});

test('what is proposed for RAM always fits, and one more does not', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9_000_000 }), (limitMiB) => {
      const most = Math.floor((limitMiB - 192) / 1.05);
      fc.pre(most >= 64);
      expect(most + memoryOverheadMiB(most)).toBeLessThanOrEqual(limitMiB);
      expect(most + 1 + memoryOverheadMiB(most + 1)).toBeGreaterThan(limitMiB);
    }),
  );
});

test("an image's own need for memory is the default, and less is a warning", () => {
  const big = { machine: { ...machine, minRamMiB: 2048 } };
  expect(parse({}, big).ramMiB).toBe(2048);
  expect(parse({ RAM: '1G' }, big).warnings).toEqual([
    'RAM is 1024 MiB; debian:13-packages asks for at least 2048 MiB',
  ]);
});

test('V14: the default OS_VARIANT is the image’s own, known to a table or not', () => {
  expect(parse({}, { machine: { ...machine, osinfo: 'linux2022' } }).os).toEqual({
    shortId: 'linux2022',
    id: undefined,
  });
  expect(problems({ OS_VARIANT: 'debain13' })).toContain('near ones: debian13');
});

test('shares: each name and each folder of the guest once', () => {
  expect(parse({ SHARES: 'src:/srv/src "docs:/srv/my docs:ro"' }).shares).toEqual([
    { name: 'src', guest: '/srv/src', readonly: false },
    { name: 'docs', guest: '/srv/my docs', readonly: true },
  ]);
  for (const SHARES of ['src', 'src:/a src:/b', 'a:/srv b:/srv/', 'a:/proc', '"a:/srv']) {
    expect(() => parse({ SHARES })).toThrow(/SHARES=.*allowed: words NAME:/);
  }
});

test('an empty setting is an unset one', () => {
  expect(parse({ RAM: '', PORTS: '', PASSWORD: '' })).toEqual(parse({}));
});

test.for([
  ['RAMM', 'RAM'],
  ['ram', 'RAM'],
  ['CPUS', 'CPU'],
  ['DISKSIZE', 'DISK_SIZE'],
  ['NETWROK_MODE', 'NETWORK_MODE'],
  ['PASWORD', 'PASSWORD'],
  ['STOP-TIMEOUT', 'STOP_TIMEOUT'],
])('%s looks like %s', ([typo = '', meant = '']) => {
  expect(parse({ [typo]: 'x' }).warnings).toEqual([`${typo} is not a setting; ${meant} is`]);
});

test('no environment makes it throw anything but a list of problems', () => {
  const names = fc.constantFrom(...SETTINGS.map(({ name }) => name));
  fc.assert(
    fc.property(fc.dictionary(names, fc.oneof(fc.string(), fc.string({ unit: 'binary' }))), (env) => {
      try {
        parse(env);
      } catch (error) {
        expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
      }
    }),
  );
});

test('disks on the network: those that are none are named one by one, without a password', () => {
  const uris = ['rbd:disks/music', 'iscsi://10.0.0.9/iqn.2026-01.example:store/1:films'];
  expect(parse({ DISKS: ` ${uris.join('\n')} ` }).disks.map(({ name }) => name)).toEqual(['music', 'films']);
  const said = problems({ DISKS: 'rbd:music /srv/disk.img iscsi://me%hidden@10.0.0.9/iqn.2026-01.example:store/1' });
  expect(said).toMatch(/"rbd:music": POOL\/IMAGE/);
  expect(said).toMatch(/"\/srv\/disk.img": not a disk on the network; a file is mounted in \/volumes/);
  expect(said).toMatch(/"iscsi:\/\/\*\*\*@10.*no password in a URI/);
  expect(said).not.toContain('hidden');
});
