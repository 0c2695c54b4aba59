import { fedoraCoreos, flatcar } from './coreos.ts';
import { debian, debianDaily } from './debian.ts';
import { almalinux, amazonlinux, centos7, centosStream, oracle, rocky } from './enterprise.ts';
import { fedora, fedoraArchive } from './fedora.ts';
import type { Vendor } from './kit.ts';
import { alpine, archlinux, cirros, freebsd, gentoo, openSuse } from './others.ts';
import { ubuntu } from './ubuntu.ts';

const BOTH = ['amd64', 'arm64'] as const;
const BIOS = { amd64: 'bios-', arm64: 'uefi-' };
const server = (version: string, codename: string) =>
  ubuntu({ version, codename, flavour: 'server', architectures: BOTH });
const minimal = (version: string, codename: string, architectures: readonly (typeof BOTH)[number][] = BOTH) =>
  ubuntu({ version, codename, flavour: 'minimal', architectures });

/** What each vendor publishes, by the definition's file in images/. A definition without a row fails its test. */
export const VENDORS: Readonly<Record<string, Vendor>> = {
  'almalinux-10': almalinux(10, '10.2-20260526.0'),
  'almalinux-8': almalinux(8, '8.10-20260518'),
  'almalinux-9': almalinux(9, '9.8-20260526'),
  'alpine-3.21': alpine('3.21', 7, 'nocloud_', BIOS),
  'alpine-3.22': alpine('3.22', 4, 'nocloud_', BIOS),
  'alpine-3.23': alpine('3.23', 10, 'nocloud_', BIOS),
  'alpine-3.24': alpine('3.24', 2, '', { amd64: '', arm64: '' }),
  'amazonlinux-2023': amazonlinux,
  archlinux,
  'centos-7': centos7,
  'centos-stream-10': centosStream(10),
  'centos-stream-9': centosStream(9),
  'cirros-0.6.3': cirros,
  'debian-11': debian('bullseye', 11),
  'debian-12': debian('bookworm', 12),
  'debian-13': debian('trixie', 13),
  'debian-testing': debianDaily('forky', 14),
  'fedora-29': fedoraArchive(29, '1.2'),
  'fedora-30': fedoraArchive(30, '1.2'),
  'fedora-43': fedora(43, '1.6'),
  'fedora-44': fedora(44, '1.7'),
  'fedora-coreos': fedoraCoreos,
  flatcar,
  'freebsd-14.4': freebsd('14.4'),
  'freebsd-15.1': freebsd('15.1'),
  gentoo,
  'opensuse-leap-15.6': openSuse('distribution/leap/15.6/appliances', 'openSUSE-Leap-15.6-Minimal-VM', ' '),
  'opensuse-leap-16.0': openSuse('distribution/leap/16.0/appliances', 'Leap-16.0-Minimal-VM', '  '),
  'opensuse-tumbleweed': openSuse(
    'tumbleweed/appliances',
    'openSUSE-Tumbleweed-Minimal-VM',
    '  ',
    'ports/aarch64/tumbleweed/appliances',
  ),
  'oraclelinux-10': oracle(10, 1),
  'oraclelinux-8': oracle(8, 10),
  'oraclelinux-9': oracle(9, 8),
  'rocky-10': rocky(10, '10.2-20260525.0'),
  'rocky-8': rocky(8, '8.10-20240528.0'),
  'rocky-9': rocky(9, '9.8-20260525.0'),
  'ubuntu-18.04': server('18.04', 'bionic'),
  'ubuntu-20.04': server('20.04', 'focal'),
  'ubuntu-22.04': server('22.04', 'jammy'),
  'ubuntu-22.04-minimal': minimal('22.04', 'jammy', ['amd64']),
  'ubuntu-24.04': server('24.04', 'noble'),
  'ubuntu-24.04-minimal': minimal('24.04', 'noble'),
  'ubuntu-26.04': server('26.04', 'resolute'),
  'ubuntu-26.04-minimal': minimal('26.04', 'resolute'),
};
