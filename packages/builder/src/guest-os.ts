import type { Architecture } from '@virtainers/core';

/** What a cloud image's name says of the system in it, for disks that no definition describes. */
export interface GuestOs {
  /** Its cloud image's login user. */
  readonly user: string;
  /** osinfo short id. */
  readonly osinfo: string;
}

/** What virtio-era Linux guests have in common, as osinfo calls it. */
const UNKNOWN: GuestOs = { user: 'cloud-user', osinfo: 'linux2022' };

const ARCHITECTURE = /[-_.](?:x86_64|amd64|aarch64|arm64)\b/g;

/** First match wins; `$1` and `$2` stand for what the name's version says. */
const FAMILIES: readonly (readonly [RegExp, string, string])[] = [
  [/debian[-_]?(\d+)/, 'debian', 'debian$1'],
  [/ubuntu[-_]?(\d\d\.\d\d)/, 'ubuntu', 'ubuntu$1'],
  [/\bbionic\b/, 'ubuntu', 'ubuntu18.04'],
  [/\bfocal\b/, 'ubuntu', 'ubuntu20.04'],
  [/\bjammy\b/, 'ubuntu', 'ubuntu22.04'],
  [/\bnoble\b/, 'ubuntu', 'ubuntu24.04'],
  [/fedora.*?[-_.](\d\d)\b/, 'fedora', 'fedora$1'],
  [/centos-7/, 'centos', 'centos7.0'],
  [/centos-stream.*?[-_](\d+)/, 'cloud-user', 'centos-stream$1'],
  [/rocky[-_]?(\d+)/, 'rocky', 'rocky$1'],
  [/almalinux[-_]?(\d+)/, 'almalinux', 'almalinux$1'],
  [/opensuse|leap/, 'opensuse', 'linux2022'],
  [/alpine.*?(\d+)\.(\d+)/, 'alpine', 'alpinelinux$1.$2'],
  [/arch[-_]?linux/, 'arch', 'archlinux'],
  [/al2023/, 'ec2-user', 'linux2022'],
  [/freebsd-(\d+)\.(\d+)/, 'freebsd', 'freebsd$1.$2'],
  [/cirros/, 'cirros', 'cirros'],
  [/gentoo/, 'gentoo', 'gentoo'],
];

/** `debian-13-genericcloud-arm64` is for arm64; what says nothing, for amd64. */
export function guessArchitecture(stem: string): Architecture {
  return /[-_.](?:aarch64|arm64)\b/i.test(stem) ? 'arm64' : 'amd64';
}

/** Guesses from a file's or an image's name: `debian-13-genericcloud-amd64`, `debian:13` -> debian, debian13. */
export function guessGuestOs(stem: string): GuestOs {
  const name = stem.toLowerCase().replace(':', '-').replace(ARCHITECTURE, '');
  for (const [pattern, user, osinfo] of FAMILIES) {
    const match = pattern.exec(name);
    if (match) return { user, osinfo: osinfo.replace(/\$(\d)/g, (_, index: string) => match[Number(index)] ?? '') };
  }
  return UNKNOWN;
}
